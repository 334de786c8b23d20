// Plays a broadcast over HLS: with hls.js, or where it can't run the browser itself (iPhones).

const HLS = "application/vnd.apple.mpegurl";

export class Video {
  // changed() when there is a picture to show, or none any more: see `shown`.
  constructor(element, changed) {
    Object.assign(this, { element, changed, url: null, turn: 0, hls: null, shown: false });
    element.addEventListener("playing", () => this.url && this.show(true));
    element.addEventListener("error", () => this.close());
  }

  async open(url) {
    if (this.url) return;
    this.url = url;
    const turn = (this.turn += 1);
    try {
      // Only who watches a broadcast loads it.
      const { default: Hls } = await import("./vendor/hls.light.min.mjs");
      if (turn !== this.turn) return; // closed meanwhile
      if (Hls.isSupported()) this.attach(new Hls({ liveDurationInfinity: true }), Hls.Events);
      else if (this.element.canPlayType(HLS)) this.element.src = url;
      else return;
      await this.element.play();
    } catch (error) {
      // Not loaded, or not let play. Who opened it asks again and again.
      if (turn === this.turn) this.close();
    }
  }

  attach(hls, { ERROR }) {
    this.hls = hls;
    hls.on(ERROR, (_, { fatal }) => fatal && this.close());
    hls.loadSource(this.url);
    hls.attachMedia(this.element);
  }

  close() {
    if (!this.url) return;
    this.url = null;
    this.turn += 1;
    if (this.hls) this.hls.destroy();
    this.hls = null;
    this.element.removeAttribute("src");
    this.element.load();
    this.show(false);
  }

  show(shown) {
    if (this.shown === shown) return;
    this.shown = shown;
    this.changed();
  }
}
