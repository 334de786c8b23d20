// The watch page: the stream, its sound, how many are watching, and how the connection is.

import { Pond } from "./pond.js";
import { Sound } from "./sound.js";
import { follow, write } from "./status.js";
import { Stream } from "./stream.js";
import { Video } from "./video.js";

const theatre = document.querySelector(".theatre");
const event = theatre.dataset.event;
const at = (id) => document.getElementById(id);
let sound = null;
let broadcast = theatre.dataset.hls; // where there is one, else empty
let over = false;

// The picture. It falls quiet, rather than stops, when the stream does.
// `socket` says that this page's socket counts its reader, and the stream need not.
const stream = new Stream(`/stream/${encodeURIComponent(event)}?socket`, hear, (connected) => {
  if (!over) say(connected ? "" : "The stream is interrupted. Trying again …");
});
const pond = new Pond(at("pond"), () => stream.time());

function hear(note, when) {
  pond.add(note, when);
  if (sound) sound.play(note, when - stream.time());
}

function say(text) {
  at("hint").textContent = text;
  at("hint").hidden = !text;
}

// A broadcast by a real streaming server goes before it.
const video = new Video(at("video"), () => {
  at("video").hidden = !video.shown;
  at("pond").hidden = video.shown;
  if (!over) say("");
  tend();
});

// A tab that is neither seen nor heard needs no stream. Its socket stays: it still counts.
function tend() {
  const wanted = !over && (!document.hidden || Boolean(sound && sound.on));
  if (wanted && broadcast) video.open(`${broadcast}?socket`);
  else video.close();
  if (wanted && !video.shown) stream.open();
  else stream.close();
}
document.addEventListener("visibilitychange", tend);
tend();

at("sound").addEventListener("click", () => {
  if (sound) sound.turn(!sound.on);
  else sound = new Sound();
  at("video").muted = !sound.on;
  at("sound").setAttribute("aria-pressed", String(sound.on));
});

const stage = at("stage");
at("whole").hidden = !stage.requestFullscreen; // iPhones have none
at("whole").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else stage.requestFullscreen();
});

const ask = follow(`/api/events/${encodeURIComponent(event)}`, 1500, (status) => {
  if (!status) return;
  write(theatre, status);
  broadcast = status.hls;
  tend();
});

// The viewer's socket, which streamend.js holds. It says how it is by events on the document.
const WORDS = {
  connecting: "Connecting",
  live: "Connected",
  reconnecting: "Reconnecting",
  ended: "The event has ended",
  refused: "Not let in",
  stopped: "Stopped",
};
document.addEventListener("streamend:state", ({ detail }) => {
  at("link").dataset.state = detail.state;
  at("link").textContent = WORDS[detail.state];
  at("link").title = detail.message || "";
  over = ["ended", "refused"].includes(detail.state);
  if (over) say(detail.message || "The event has ended. Thank you for watching.");
  tend();
  setTimeout(ask, 100); // the count has changed by one, at least
});
document.addEventListener("streamend:count", ({ detail }) => {
  write(theatre, { state: "live", clients: detail.clients });
});
