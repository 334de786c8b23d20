import { follow } from "./status.js";

const mailbox = document.getElementById("mailbox");

follow("/api/mailbox", 1000, (answer) => {
  if (answer && answer.newest !== mailbox.dataset.newest) location.reload();
});
