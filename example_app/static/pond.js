// Draws the stream: evening on the water. Each note falls as a drop of light and makes rings.
// Everything follows from the notes and the server's time, so all viewers see the same picture.

const HORIZON = 0.4; // share of the height that is sky
const FALL = 0.9; // s a drop is seen before its note
const LIFE = [4.2, 3.2, 2.4]; // s the rings of bass, keys and bell live
const DEPTH = [[0.8, 0.16], [0.62, 0.14], [0.49, 0.06]]; // where they fall: share of the height, spread
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// A number from 0 to 1 that is always the same for the same two.
const chance = (a, b) => {
  const value = Math.sin(a * 127.1 + b * 311.7) * 43758.5453;
  return value - Math.floor(value);
};

const tint = (hex, alpha) => {
  const [r, g, b] = [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
};

export class Pond {
  constructor(canvas, clock) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.clock = clock; // () => seconds
    this.scene = JSON.parse(canvas.dataset.scene);
    this.seed = [...canvas.dataset.event].reduce((sum, sign) => sum * 31 + sign.charCodeAt(0), 7) % 997;
    this.drops = [];
    this.glow = this.scene.lights.map((light) => this.blot(light));
    new ResizeObserver(() => this.fit()).observe(canvas);
    this.fit();
    const frame = () => {
      this.draw();
      requestAnimationFrame(frame);
    };
    frame();
  }

  add([, voice, pitch, velocity], at) {
    const [middle, spread] = DEPTH[voice];
    const low = this.scene.root + [0, 12, 36][voice];
    const across = 0.08 + 0.84 * Math.min(1, Math.max(0, (pitch - low) / 24));
    this.drops.push({
      at,
      voice,
      velocity,
      x: across + 0.1 * (chance(at, pitch) - 0.5),
      y: middle + spread * (chance(pitch, at) - 0.5) * 2,
    });
  }

  fit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const dots = Math.min(2, devicePixelRatio || 1);
    this.canvas.width = Math.max(1, Math.round(width * dots));
    this.canvas.height = Math.max(1, Math.round(height * dots));
    this.still = this.background();
  }

  // A soft round light, made once: gradients for each drop of each frame would cost too much.
  blot(light) {
    const blot = document.createElement("canvas");
    blot.width = blot.height = 128;
    const pen = blot.getContext("2d");
    const fill = pen.createRadialGradient(64, 64, 0, 64, 64, 64);
    fill.addColorStop(0, tint(light, 0.85));
    fill.addColorStop(0.12, tint(light, 0.45));
    fill.addColorStop(0.3, tint(light, 0.16));
    fill.addColorStop(0.6, tint(light, 0.04));
    fill.addColorStop(1, tint(light, 0));
    pen.fillStyle = fill;
    pen.fillRect(0, 0, 128, 128);
    return blot;
  }

  // What does not move: sky, stars, moon, hills, the lit windows on the shore, the water.
  background() {
    const { width: w, height: h } = this.canvas;
    const still = document.createElement("canvas");
    still.width = w;
    still.height = h;
    const pen = still.getContext("2d");
    const { sky, water, lights } = this.scene;
    const shore = h * HORIZON;
    const paint = (colours, from, to) => {
      const fill = pen.createLinearGradient(0, from, 0, to);
      colours.forEach((colour, place) => fill.addColorStop(place / (colours.length - 1), colour));
      pen.fillStyle = fill;
      pen.fillRect(0, from, w, to - from);
    };
    paint(sky, 0, shore + 1);
    for (let star = 0; star < 70; star += 1) {
      const y = chance(star, this.seed) ** 1.6 * shore;
      pen.fillStyle = tint("#ffffff", 0.5 * (1 - y / shore) * chance(star, 3));
      const size = h * (0.001 + 0.002 * chance(star, 5));
      pen.fillRect(chance(star, this.seed + 1) * w, y, size, size);
    }
    this.moon = { x: w * (0.3 + 0.4 * chance(this.seed, 2)), y: shore * 0.42, r: h * 0.05 };
    const { x, y, r } = this.moon;
    pen.globalCompositeOperation = "lighter";
    pen.globalAlpha = 0.5;
    pen.drawImage(this.glow[2], x - r * 6, y - r * 6, r * 12, r * 12);
    pen.globalAlpha = 1;
    pen.globalCompositeOperation = "source-over";
    pen.fillStyle = lights[2];
    pen.beginPath();
    pen.arc(x, y, r, 0, 7);
    pen.fill();
    paint(water, shore, h);
    for (let range = 0; range < 2; range += 1) {
      pen.fillStyle = tint(water[1], 0.45 + 0.4 * range);
      pen.beginPath();
      pen.moveTo(0, shore);
      for (let step = 0; step <= 60; step += 1) {
        const along = (step / 60) * 7 + this.seed + range * 5;
        const rise = 0.55 + 0.3 * Math.sin(along * 0.9) + 0.15 * Math.sin(along * 2.7);
        pen.lineTo((step / 60) * w, shore - h * (0.09 - 0.045 * range) * rise);
      }
      pen.lineTo(w, shore);
      pen.fill();
    }
    this.windows = [0, 1, 2, 3, 4].map((place) => ({
      x: w * (0.06 + 0.88 * chance(this.seed, place + 11)),
      y: shore - h * (0.008 + 0.012 * chance(place, this.seed)),
    }));
    return still;
  }

  draw() {
    const { pen, canvas: { width: w, height: h } } = this;
    const now = this.clock();
    this.drops = this.drops.filter((drop) => now - drop.at < LIFE[drop.voice]);
    pen.globalCompositeOperation = "source-over";
    pen.globalAlpha = 1;
    pen.drawImage(this.still, 0, 0);
    pen.globalCompositeOperation = "lighter";
    this.shimmer(now, w, h);
    this.lamps(now, w, h);
    for (const drop of this.drops) {
      if (now < drop.at) this.fall(drop, drop.at - now, w, h);
      else this.rings(drop, now - drop.at, w, h);
    }
  }

  // The moon on the water: short strokes, broader and fainter the nearer they are.
  shimmer(now, w, h) {
    const { pen, moon, scene } = this;
    const time = calm.matches ? 0 : now % 10000;
    pen.strokeStyle = scene.lights[2];
    pen.lineCap = "round";
    for (let line = 0; line < 26; line += 1) {
      const near = (line / 26) ** 1.5;
      const y = h * (HORIZON + 0.012 + near * 0.5);
      const sway = Math.sin(time * 0.9 + line * 1.9) * h * 0.03 * (0.3 + near);
      const half = h * (0.018 + 0.06 * near) * (0.35 + 0.65 * Math.sin(time * 0.7 + line * 2.3) ** 2);
      pen.globalAlpha = 0.24 * (1 - near) ** 1.3;
      pen.lineWidth = h * (0.003 + 0.006 * near);
      pen.beginPath();
      pen.moveTo(moon.x + sway - half, y);
      pen.lineTo(moon.x + sway + half, y);
      pen.stroke();
    }
  }

  // The porch lights on the shore grow brighter with the bass.
  lamps(now, w, h) {
    const beat = this.drops
      .filter((drop) => drop.voice === 0 && drop.at <= now)
      .reduce((most, drop) => Math.max(most, drop.velocity * Math.exp((drop.at - now) * 1.8)), 0);
    const size = h * (0.05 + 0.05 * beat);
    for (const { x, y } of this.windows) {
      this.pen.globalAlpha = 0.55 + 0.45 * beat;
      this.pen.drawImage(this.glow[0], x - size / 2, y - size / 2, size, size);
      this.pen.globalAlpha = 0.16 + 0.2 * beat;
      this.pen.drawImage(this.glow[0], x - size * 0.22, y, size * 0.44, size * 2.4);
    }
  }

  fall({ x, y, voice, velocity }, left, w, h) {
    if (left > FALL || calm.matches) return;
    const gone = 1 - left / FALL;
    const height = h * (y - 0.02) * (1 - gone * gone);
    const size = h * (0.012 + 0.016 * velocity);
    const { pen } = this;
    pen.globalAlpha = 0.75 * gone;
    pen.drawImage(this.glow[voice], x * w - size, y * h - height - size, size * 2, size * 2);
    pen.globalAlpha = 0.3 * gone;
    pen.drawImage(this.glow[voice], x * w - size * 0.3, y * h - height - size * 5, size * 0.6, size * 5);
  }

  rings({ x, y, voice, velocity }, age, w, h) {
    const { pen } = this;
    const nearness = (y - HORIZON) / (1 - HORIZON); // perspective: far rings are small and flat
    const most = h * (0.1 + 0.42 * nearness) * (0.6 + 0.5 * velocity);
    const flat = 0.16 + 0.16 * nearness;
    pen.strokeStyle = this.scene.lights[voice];
    for (let ring = 0; ring < 3; ring += 1) {
      const share = (age - ring * 0.28) / (LIFE[voice] - 0.84);
      if (share <= 0 || share >= 1) continue;
      const radius = most * (1 - (1 - share) ** 2);
      pen.globalAlpha = (1 - share) ** 1.7 * (0.95 - ring * 0.22) * (0.4 + 0.6 * velocity);
      pen.lineWidth = Math.max(0.7, h * 0.0042 * (1 - share) * (0.5 + nearness));
      pen.beginPath();
      pen.ellipse(x * w, y * h, radius, radius * flat, 0, 0, 7);
      pen.stroke();
    }
    const flash = Math.exp(-age * 3.2) * (0.4 + 0.6 * velocity);
    if (flash < 0.02) return;
    const size = h * (0.09 + 0.22 * nearness) * (0.6 + velocity);
    pen.globalAlpha = flash;
    pen.drawImage(this.glow[voice], x * w - size, y * h - size * flat * 1.6, size * 2, size * flat * 3.2);
  }
}
