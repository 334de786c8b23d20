// The host's page: how the event is doing, and how long until it has ended.

import { duration, follow, write } from "./status.js";

const desk = document.querySelector(".desk");
const delay = Number(desk.dataset.delay) || 1;
const at = (id) => document.getElementById(id);
let last = null; // the newest answer, and when it came on this page's clock
let came = 0;

follow(`/api/events/${encodeURIComponent(desk.dataset.event)}`, 1000, (answer) => {
  if (!answer) {
    at("more").textContent = "The site does not answer. Trying again …";
    return;
  }
  // The host was told, or it was tried: have the page made anew, with that in its list.
  if (answer.attempts !== Number(desk.dataset.attempts)) location.reload();
  last = answer;
  came = performance.now();
  write(desk, answer);
  at("state").dataset.state = answer.state;
  at("clients").textContent = answer.clients;
  at("peak").textContent = answer.peak;
  tick();
});

function tick() {
  if (!last) return;
  const since = (performance.now() - came) / 1000;
  const left = last.due_in === null ? null : Math.max(0, last.due_in - since);
  const people = last.clients === 1 ? "One person is watching" : `${last.clients} people are watching`;
  const words = {
    live: [people, "The light is on."],
    ending: ["Everybody has left", "If nobody comes back in time, the event has ended and you get a mail."],
    idle: ["Nobody is watching", "The light comes on with the first viewer."],
  }[last.state];
  // Only what changed is written: a screen reader says it each time.
  if (at("say").textContent !== words[0]) at("say").textContent = words[0];
  if (at("more").textContent !== words[1]) at("more").textContent = words[1];
  at("left").textContent = left === null ? "–" : `${left.toFixed(1)} s`;
  at("onair").textContent = last.on_air === null ? "–" : duration(last.on_air + since);
  const share = { live: 1, ending: Math.min(1, (left || 0) / delay), idle: 0 }[last.state];
  at("ring").setAttribute("stroke-dasharray", `${share} 1`);
}

setInterval(tick, 100);
