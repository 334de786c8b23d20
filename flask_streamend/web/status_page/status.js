// The status page: asks for status.json every two seconds while it is looked at, and shows it.
//
// Instants are counted on the server's clock, as each answer brings it, and onward by this page's
// steady one: what the browser's own clock says is never asked. All text goes in as text.
"use strict";
(() => {
  const EVERY = 2000; // ms from an answer to the next question
  const PATIENCE = 8000; // ms to wait for an answer
  const STALE = 7000; // ms without an answer until the page says so
  const TICK = 250; // ms between two movements of the clocks

  const STATES = { pending: "to be told", sent: "told" };

  const get = (id) => document.getElementById(id);
  const address = new URL("status.json", document.baseURI);
  address.username = address.password = ""; // a question may not carry them

  let latest = null; // the last answer, and when it came
  let whole = null; // the last one with Redis in it
  let first = null; // what was counted when this page was opened
  let refusal = ""; // why the server would not answer
  let looked = performance.now(); // since when the page is looked at
  let timer = 0;
  let running = null;

  // Small tools.

  function put(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  function make(tag, className = "", ...children) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children);
    return node;
  }

  function turn(node, className, on) {
    node.classList.toggle(className, Boolean(on));
  }

  function several(count, one, many = `${one}s`) {
    return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
  }

  function span(seconds, fine = false) {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s >= 86400) return several(Math.floor(s / 86400), "day");
    return `${Math.floor(s / 3600)} h${fine ? ` ${Math.floor((s % 3600) / 60)} min` : ""}`;
  }

  function clock(seconds) {
    const s = Math.ceil(seconds);
    const pad = (n) => String(n).padStart(2, "0");
    const minutes = Math.floor(s / 60) % 60;
    return s < 3600 ? `${minutes}:${pad(s % 60)}` : `${Math.floor(s / 3600)}:${pad(minutes)}:${pad(s % 60)}`;
  }

  function brief(seconds) {
    if (seconds < 1) return [Math.max(0, Math.round(seconds * 1000)), "ms"];
    return seconds < 60 ? [seconds.toFixed(1), "s"] : [span(seconds), ""];
  }

  const now = (answer) => answer.page.now + (performance.now() - answer.at) / 1000;
  const age = (answer) => performance.now() - answer.at;

  // One row an item, kept while the item stays: a selection in it survives.
  function list(parent, items, key, create) {
    const before = parent.shown ?? new Map();
    parent.shown = new Map();
    for (const [index, item] of items.entries()) {
      const row = before.get(key(item)) ?? create();
      before.delete(key(item));
      parent.shown.set(key(item), row);
      row.item = item;
      row.show(item);
      if (parent.children[index] !== row.node) parent.insertBefore(row.node, parent.children[index] ?? null);
    }
    for (const row of before.values()) row.node.remove();
  }

  // The rows.

  function problem() {
    const code = make("span"), since = make("span", "time"), message = make("p");
    return {
      node: make("li", "", make("h3", "", code, since), message),
      show(item) {
        put(code, item.code);
        put(message, item.message);
        turn(this.node, "bad", item.code !== "held" && item.code !== "catching-up");
      },
      tick() {
        put(since, `for ${span(now(latest) - this.item.since)}`);
      },
    };
  }

  function letter() {
    const event = make("span", "id"), when = make("span", "time"), error = make("p", "said");
    const retry = make("code"), dismiss = make("code");
    return {
      node: make("li", "bad", make("h3", "", event, when), error, make("p", "cures", retry, dismiss)),
      show(item) {
        put(event, item.event_id);
        put(error, `${item.error || "No error was recorded."} (${several(item.attempts, "attempt")})`);
        put(retry, `flask streamend retry ${item.id}`);
        put(dismiss, `flask streamend dismiss ${item.id}`);
      },
      tick() {
        put(when, `given up ${span(now(whole) - this.item.settled_at)} ago`);
      },
    };
  }

  function end() {
    const event = make("span", "id"), about = make("span", "about"), left = make("span", "clock");
    const bar = make("span", "bar");
    let longest = 0;
    return {
      node: make("li", "", event, about, left, bar),
      show(item) {
        put(event, item.event_id);
        longest = Math.max(longest, whole.page.delay, item.due_at - whole.page.now);
      },
      tick() {
        const { item } = this, left_ = item.due_at - now(whole), known = whole === latest && !lost();
        const waits = known && whole.page.totals.paused > 0;
        const late = known && !waits && left_ < -whole.page.overdue_after;
        turn(this.node, "overdue", late);
        turn(left, "word", left_ <= 0);
        put(left, left_ > 0 ? clock(left_) : !known ? "was due" : waits ? "waits" : late ? `${span(-left_)} overdue` : "now");
        put(about, `began ${span(now(whole) - item.started_at, true)} ago · peak ${item.peak.toLocaleString("en")}`);
        bar.style.setProperty("--part", String(Math.max(0, Math.min(1, left_ / longest))));
      },
    };
  }

  function event() {
    const id = make("span", "id"), bar = make("span", "bar-of"), clients = make("td", "number strong");
    const peak = make("td", "number soft peak"), since = make("td", "number soft");
    return {
      node: make("tr", "", make("td", "", id, bar), clients, peak, since),
      show(item) {
        put(id, item.event_id);
        put(clients, item.clients.toLocaleString("en"));
        put(peak, item.peak.toLocaleString("en"));
        bar.style.setProperty("--part", String(item.clients / Math.max(1, item.busiest)));
      },
      tick() {
        put(since, span(now(latest) - this.item.started_at, true));
      },
    };
  }

  function delivery() {
    const id = make("span", "id"), error = make("span", "note"), state = make("span", "state");
    const about = make("span", "note"), when = make("td", "number soft");
    return {
      node: make("tr", "", make("td", "", id, error), make("td", "", state, about), when),
      show(item) {
        put(id, item.event_id);
        put(error, item.state === "sent" ? "" : item.error);
        put(state, STATES[item.state] ?? item.state);
      },
      tick() {
        const { item } = this, at = now(whole), owed = item.settled_at === null;
        const late = owed && whole.page.totals.paused === 0 && at - item.due_at > whole.page.overdue_after;
        state.className = `state ${item.state}${late ? " overdue" : ""}`;
        const parts = [];
        if (item.state === "sent") parts.push(`after ${brief(item.settled_at - item.due_at).join(" ").trim()}`);
        if (item.attempts > 1 || (item.state === "retrying" && item.attempts)) parts.push(several(item.attempts, "attempt"));
        if (item.state === "retrying") parts.push(item.next_at > at ? `next in ${clock(item.next_at - at)}` : "next now");
        put(about, parts.join(", "));
        put(when, `${span(at - (owed ? item.due_at : item.settled_at))} ago`);
      },
    };
  }

  function failure() {
    const what = make("td"), more = make("td", "number"), ever = make("td", "number soft");
    return {
      node: make("tr", "", what, more, ever),
      show(item) {
        put(what, item.text);
        put(more, item.more ? `+${item.more.toLocaleString("en")}` : "0");
        put(ever, item.count.toLocaleString("en"));
        turn(more, "fresh-error", item.more);
        turn(more, "soft", !item.more);
      },
      tick() {},
    };
  }

  // The page.

  const lost = () => refusal !== "" || Math.min(age(latest), performance.now() - looked) > STALE;

  function part(id, items, key, create, missing = 0, hint = "") {
    const section = get(id);
    list(section.querySelector("tbody, ul"), items, key, create);
    const table = section.querySelector("table, ul"), empty = section.querySelector(".empty");
    table.hidden = items.length === 0;
    if (empty) empty.hidden = items.length > 0;
    else section.hidden = items.length === 0 && missing <= 0;
    const more = section.querySelector(".more");
    if (more) {
      more.hidden = missing <= 0;
      put(more, `And ${missing.toLocaleString("en")} more${hint}.`);
    }
  }

  function counted(errors) {
    return errors.map((item) => {
      const known = Math.min(first.get(item.field) ?? 0, item.count);
      first.set(item.field, known); // less than before: Redis was emptied
      return { ...item, more: item.count - known };
    });
  }

  function show() {
    const { page } = latest, live = page.events.filter((one) => one.state === "live");
    const busiest = Math.max(1, ...live.map((one) => one.clients));
    part("problems", page.problems, (one) => one.code, problem);
    part("live", live.map((one) => ({ ...one, busiest })), (one) => one.event_id, event, page.totals.live - live.length);
    get("columns").hidden = false;
    for (const id of ["ending", "deliveries", "errors"]) get(id).hidden = whole === null;
    if (whole === null) return;
    const { totals, deliveries, events, errors } = whole.page;
    const ending = events.filter((one) => one.state === "ending");
    part("ending", ending, (one) => one.session, end, totals.ending - ending.length);
    const command = totals.dead_letters > deliveries.dead.length ? ": flask streamend deliveries --dead" : "";
    part("dead", deliveries.dead, (one) => one.id, letter, totals.dead_letters - deliveries.dead.length, command);
    const rows = [...deliveries.owed, ...deliveries.settled].slice(0, 50);
    const hidden = totals.owed - Math.min(50, deliveries.owed.length);
    part("deliveries", rows, (one) => one.id, delivery, hidden, " to be told");
    first ??= new Map(errors.map((item) => [item.field, item.count]));
    part("errors", counted(errors), (item) => item.field, failure);
  }

  function figures() {
    const { page } = latest, figure = (value) => (value === undefined ? "–" : value.toLocaleString("en"));
    put(get("clients"), figure(page.totals.clients));
    put(get("live-count"), figure(page.totals.live));
    const totals = whole?.page.totals ?? {};
    put(get("ending-count"), figure(totals.ending));
    put(get("owed-count"), figure(totals.owed));
    put(get("dead-count"), figure(totals.dead_letters));
    turn(get("dead-count").parentNode, "bad", totals.dead_letters);
    turn(get("ending-count").parentNode, "warm", totals.ending);
    turn(get("owed-count").parentNode, "bad", totals.overdue);
    const late = (whole?.page.deliveries.settled ?? [])
      .filter((one) => one.state === "sent")
      .map((one) => one.settled_at - one.due_at)
      .sort((a, b) => a - b);
    const [value, unit] = late.length ? brief(late[Math.floor(late.length / 2)]) : ["–", ""];
    if (get("late").textContent !== `${value}${unit && ` ${unit}`}`) {
      get("late").replaceChildren(String(value), ...(unit ? [make("small", "", ` ${unit}`)] : []));
    }
  }

  function verdict() {
    const { page } = latest, { totals } = page;
    const say = (condition, words) => {
      document.body.dataset.condition = condition;
      put(get("verdict"), words);
      document.title = `${words} · Live status`;
    };
    if (lost()) say("away", refusal || "The server does not answer");
    else if (!page.redis) say("away", "Redis does not answer");
    else if (page.status === "down") say("down", "Viewers can’t be counted");
    else if (page.status !== "ok") say("degraded", page.problems.length === 1 ? `A problem: ${page.problems[0].code}` : several(page.problems.length, "problem"));
    else if (totals.dead_letters) say("degraded", `All works, but ${several(totals.dead_letters, "host was", "hosts were")} not told`);
    else say("ok", "All is well");
    if (!page.redis) {
      put(get("summary"), `One web process knows of ${several(totals.live, "live event")} and ${several(totals.clients, "viewer")}.`);
      return;
    }
    const parts = [totals.live ? `${several(totals.live, "event")} live` : "Nobody is watching"];
    parts.push(totals.ending ? `${totals.ending.toLocaleString("en")} ending` : "nothing is ending");
    if (totals.owed) parts.push(`${several(totals.owed, "host")} still to be told`);
    // Of what is ending some may be due already, and wait for a worker or for an operator.
    else if (!totals.ending) parts.push("no host waits to be told");
    put(get("summary"), `${parts.join(", ")}.`);
  }

  function foot() {
    const { page } = whole ?? latest, { totals, queue } = page, parts = [];
    if (whole) parts.push(page.memory ? "memory://, this process alone" : several(totals.processes, "web process", "web processes"));
    if (queue) parts.push(`${several(queue.workers, "worker")} on queue ${queue.name}`, `${several(queue.length, "job")} waiting, ${queue.scheduled} scheduled`);
    parts.push(`grace period ${page.delay} s`, `flask_streamend ${page.version}`);
    put(get("parts"), parts.join(" · "));
  }

  // What is not known any more, and since when.
  function freshness() {
    const gone = lost(), own = !latest.page.redis;
    document.body.dataset.fresh = gone || own ? "no" : "yes";
    const silent = whole === null ? latest.page.silent + age(latest) / 1000 : Math.min(latest.page.silent + age(latest) / 1000, age(whole) / 1000);
    const heard = span(gone ? age(latest) / 1000 : silent);
    const updated = age(latest) < 2 * EVERY ? "just now" : `${span(age(latest) / 1000)} ago`;
    put(get("fresh"), gone || own ? `Last heard ${heard} ago` : `Updated ${updated}`);
    get("away").hidden = !(gone || own);
    if (gone) put(get("away"), `Last heard ${heard} ago. What stands here was true then; the page goes on asking.`);
    else if (own) put(get("away"), `Redis was last heard ${heard} ago. Viewers and live events are those that the answering web process holds itself; the rest is as it was then. Leave the web processes running: they report when Redis is back.`);
    for (const id of ["ending", "deliveries", "errors", "dead", "parts"]) turn(get(id), "old", gone || own);
    for (const id of ["live", "problems"]) turn(get(id), "old", gone);
    for (const node of get("figures").children) turn(node.lastElementChild, "old", gone || (own && !["clients", "live-count"].includes(node.lastElementChild.id)));
  }

  function tick() {
    if (latest === null) return;
    verdict();
    freshness();
    for (const parent of document.querySelectorAll("tbody, ul")) for (const row of parent.shown?.values() ?? []) row.tick();
  }

  // Asking.

  async function ask() {
    running = new AbortController();
    const { signal } = running, limit = setTimeout(() => running?.abort(), PATIENCE);
    try {
      const reply = await fetch(address, { signal, cache: "no-store", credentials: "same-origin" });
      if (reply.status === 401 || reply.status === 404) {
        refusal = reply.status === 401 ? "The token is not accepted any more: load the page again" : "There is no status page here any more";
      } else if (reply.ok) {
        const page = await reply.json();
        latest = { page, at: performance.now() };
        if (page.redis) whole = latest;
        refusal = "";
        show();
        figures();
        foot();
      }
    } catch (error) {
      if (error.name !== "AbortError" && error.name !== "TypeError") throw error; // else: no answer
    } finally {
      clearTimeout(limit);
      if (running?.signal === signal) again();
      if (latest === null) put(get("verdict"), refusal || "The server does not answer");
      tick();
    }
  }

  function again() {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, EVERY);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    running?.abort();
    looked = performance.now();
    if (!document.hidden) ask();
  });
  put(get("host"), location.host);
  setInterval(() => document.hidden || tick(), TICK);
  if (!document.hidden) ask();
})();
