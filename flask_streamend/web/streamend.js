/*
 * streamend.js: keeps one WebSocket open per event while somebody has the page open.
 *
 *   <script src="/streamend/streamend.js" data-event="42" data-token="..." defer></script>
 *   const handle = StreamEnd.watch("42", {token, url});   handle.state;   handle.stop();
 *
 * DOM events on document:
 *   streamend:state  {event, state, code?, message?}  state is one of connecting, live,
 *                    reconnecting, ended, refused, stopped
 *   streamend:count  {event, clients}  whenever the server says how many are watching
 */
(() => {
  "use strict";

  const CONNECT_TIMEOUT = 5000; // ms; a phone that changed networks can hang here for a minute
  const SHORTEST_WAIT = 500; // ms
  const LONGEST_WAIT = 30000; // ms
  const LASTED = 10000; // ms; a shorter connection is one more failure, not a recovery
  const EVENT_ENDED = 4000; // the server's close code for "it is over, do not come back"
  const REFUSALS = [400, 401, 403, 404]; // asking again would get the same answer

  // A module or an inserted tag may have no currentScript; then the tag is looked up by its name.
  const script =
    document.currentScript || document.querySelector('script[src*="/streamend/streamend."]');
  const source = new URL((script && script.src) || "/streamend/streamend.js", location.href);
  const found = /^(.*)\/streamend\/[^/]*$/.exec(source.pathname);
  const prefix = found ? found[1] : "";

  function addresses(id, options) {
    const page = new URL(options.url || `${prefix}/ws/${encodeURIComponent(id)}`, source.href);
    page.searchParams.set("count", "1"); // tell me how many watch
    if (options.token) page.searchParams.set("token", options.token);
    page.protocol = page.protocol.replace("ws", "http");
    const socket = new URL(page.href);
    socket.protocol = page.protocol.replace("http", "ws");
    return { page: page.href, socket: socket.href };
  }

  function emit(name, detail) {
    document.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // Browsers hide the status of a failed handshake, so the same URL is asked by a plain GET.
  // null: nobody answered. Otherwise {status, code, message, after}, `after` in ms.
  async function askWhy(url) {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), CONNECT_TIMEOUT);
    try {
      const reply = await fetch(url, { cache: "no-store", signal: abort.signal });
      const body = (await reply.json().catch(() => null)) || {};
      return {
        status: reply.status,
        code: body.error || `http-${reply.status}`,
        message: body.message || reply.statusText,
        after: 1000 * (Number(reply.headers.get("Retry-After")) || 0),
      };
    } catch (error) {
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  function watch(id, options = {}) {
    const event = String(id);
    const { page, socket: target } = addresses(event, options);
    let state, code;
    let socket = null;
    let timer = 0;
    let failures = 0, tried = false;
    let hidden = false; // between pagehide and pageshow
    let turn = 0; // what an older attempt still reports is not of interest

    const over = () => ["ended", "refused", "stopped"].includes(state);

    function enter(next, why) {
      if (state === next && code === (why && why.code)) return;
      state = next;
      code = why && why.code;
      emit("streamend:state", Object.assign({ event, state }, why));
    }

    function drop() {
      turn += 1;
      clearTimeout(timer);
      const old = socket;
      socket = null;
      if (old) old.close(); // its handlers belong to an older turn by now
    }

    function connect() {
      drop();
      if (over() || hidden) return;
      const mine = turn;
      const current = () => mine === turn;
      enter(tried ? "reconnecting" : "connecting", code && { code });
      tried = true;
      let openedAt = 0;
      socket = new WebSocket(target);
      timer = setTimeout(() => current() && (drop(), failed(null)), CONNECT_TIMEOUT);
      socket.onopen = () => {
        if (!current()) return;
        clearTimeout(timer);
        openedAt = Date.now();
        enter("live");
      };
      socket.onmessage = (message) => current() && count(message.data);
      socket.onclose = async (closed) => {
        if (!current()) return;
        drop();
        if (closed.code === EVENT_ENDED) return finish("ended");
        if (openedAt) {
          if (Date.now() - openedAt >= LASTED) failures = 0;
          return failed(null);
        }
        const asked = turn, answer = await askWhy(page);
        if (asked === turn) failed(answer);
      };
    }

    function count(data) {
      if (typeof data !== "string") return;
      try {
        const clients = JSON.parse(data).clients;
        if (Number.isInteger(clients)) emit("streamend:count", { event, clients });
      } catch (error) {
        // Not ours: an application may send its viewers what it likes.
      }
    }

    function failed(answer) {
      if (answer && REFUSALS.includes(answer.status)) return refuse(answer);
      failures += 1;
      // 426 says that a WebSocket would have been let in. Where it comes again and again, something
      // on the way passes no WebSockets; so its code is told like that of 429, 503 and a proxy's 502.
      const why = answer && answer.status >= 426 ? answer : null;
      enter("reconnecting", why && { code: why.code, message: why.message });
      // Full jitter: a thousand viewers of one restarted server do not come back in one instant.
      const most = Math.min(LONGEST_WAIT, 2 * SHORTEST_WAIT * 2 ** Math.min(failures - 1, 6));
      const wait = SHORTEST_WAIT + Math.random() * (most - SHORTEST_WAIT);
      timer = setTimeout(connect, Math.max(wait, Math.min(why ? why.after : 0, LONGEST_WAIT)));
    }

    function refuse(why) {
      console.warn(`streamend: event ${event} was refused: ${why.code}: ${why.message}`);
      finish("refused", { code: why.code, message: why.message });
    }

    function finish(last, why) {
      drop();
      enter(last, why);
      window.removeEventListener("pagehide", leave);
      window.removeEventListener("pageshow", back);
      window.removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
    }

    function leave() {
      // Said at once rather than found out by a ping; an open socket also bars the back/forward cache.
      hidden = true;
      drop();
    }

    function back() {
      if (!hidden) return;
      hidden = false;
      failures = 0;
      connect();
    }

    function wake() {
      if (hidden || document.visibilityState !== "visible") return;
      if (socket && socket.readyState === WebSocket.OPEN) {
        // After a sleep the socket may be dead without knowing; sending makes it notice.
        socket.send("");
      } else if (!socket) {
        failures = 0;
        connect(); // somebody looks at the page: no use waiting out a back-off
      }
    }

    window.addEventListener("pagehide", leave);
    window.addEventListener("pageshow", back);
    window.addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
    connect();
    return {
      event,
      get state() { return state; },
      stop() { if (!over()) finish("stopped"); },
    };
  }

  window.StreamEnd = Object.assign(window.StreamEnd || {}, { watch });
  const { event, token, url } = script ? script.dataset : {};
  const start = () => watch(event, { token, url });
  // A page that the browser prepares in advance has no viewer yet.
  if (event && document.prerendering) {
    document.addEventListener("prerenderingchange", start, { once: true });
  } else if (event) start();
})();
