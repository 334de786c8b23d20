import { follow, write } from "./status.js";

follow("/api/events", 2000, (answer) => {
  for (const status of answer ? answer.events : []) {
    const card = document.querySelector(`.card[data-event="${CSS.escape(status.id)}"]`);
    if (card) write(card, status);
  }
});
