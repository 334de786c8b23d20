// Writes down what streamend.js tells the page, and how each of its sockets closed.
"use strict";

window.seen = { states: [], counts: [], closes: [], shows: [], violations: [] };

document.addEventListener("streamend:state", ({ detail }) => seen.states.push(detail));
document.addEventListener("streamend:count", ({ detail }) => seen.counts.push(detail));
document.addEventListener("securitypolicyviolation", (broken) =>
  seen.violations.push(broken.violatedDirective));
window.addEventListener("pageshow", ({ persisted }) => seen.shows.push(persisted));

window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener("close", ({ code, wasClean }) => seen.closes.push({ code, wasClean }));
  }
};
