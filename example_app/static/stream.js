// Receives the stream: notes, each with the moment at which it is to be played.

const SILENCE = 6000; // ms without a word: the connection is dead, whatever the browser thinks

export class Stream {
  // hear(note, at): `at` is in seconds on the server's clock; see time().
  // changed(connected) when the stream comes or goes.
  constructor(url, hear, changed) {
    Object.assign(this, { url, hear, changed, source: null, ahead: Infinity, heard: 0, newest: 0 });
    setInterval(() => this.check(), 1000);
  }

  // The server's clock as well as it can be known here, in seconds.
  time() {
    return Date.now() / 1000 - (Number.isFinite(this.ahead) ? this.ahead : 0);
  }

  open() {
    if (this.source) return;
    this.heard = Date.now();
    this.ahead = Infinity;
    const source = new EventSource(this.url);
    this.source = source;
    source.onmessage = (message) => this.take(JSON.parse(message.data));
    source.onerror = () => this.changed(false); // the browser asks again by itself, check() helps
  }

  close() {
    if (this.source) this.source.close();
    this.source = null;
  }

  take({ at, now, notes }) {
    this.heard = Date.now();
    // The quickest message so far tells best how far this clock is ahead of the server's.
    this.ahead = Math.min(this.ahead, Date.now() / 1000 - now);
    this.changed(true);
    if (at <= this.newest) return; // had it before a reconnect
    this.newest = at;
    for (const note of notes) this.hear(note, at + note[0]);
  }

  check() {
    if (!this.source) return;
    const gone = this.source.readyState === EventSource.CLOSED; // an answer it takes as final
    if (gone || Date.now() - this.heard > SILENCE) {
      this.changed(false);
      this.close();
      this.open();
    }
  }
}
