// Keeps what a page says about events up to date: asks a small JSON route while somebody looks.

const PATIENCE = 5000; // ms for one answer

// Calls show(answer) after every answer, and show(null) when none came.
// Returns a function that asks at once.
export function follow(url, every, show) {
  let timer = 0;
  let asking = false;

  async function ask() {
    clearTimeout(timer);
    if (asking || document.hidden) return;
    asking = true;
    let answer = null;
    try {
      const reply = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (reply.ok) answer = await reply.json();
    } catch (error) {
      // The server is away. The page says so; the next round asks again.
    }
    asking = false;
    show(answer);
    timer = setTimeout(ask, every);
  }

  document.addEventListener("visibilitychange", ask);
  ask();
  return ask;
}

const WORDS = { live: "Live", ending: "Ending", idle: "Quiet" };

// Writes a state and a number of viewers into the badge and the count within an element.
export function write(within, { state, clients }) {
  for (const badge of within.querySelectorAll("[data-badge]")) {
    badge.dataset.state = state;
    badge.textContent = WORDS[state] || state;
  }
  for (const place of within.querySelectorAll("[data-watching]")) {
    place.textContent = `${clients} watching`;
  }
}

// 75 -> "1:15"
export function duration(seconds) {
  const whole = Math.floor(seconds);
  const pad = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${pad(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)}`;
}
