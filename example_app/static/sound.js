// Plays notes by WebAudio. Made on a click: browsers allow no sound before one.

const VOICES = [
  { wave: "triangle", gain: 0.5, attack: 0.012, hold: 1.1 }, // bass
  { wave: "sine", gain: 0.22, attack: 0.006, hold: 1.4 }, // keys
  { wave: "sine", gain: 0.1, attack: 0.002, hold: 2.2 }, // bell
];

export class Sound {
  constructor() {
    const context = new AudioContext();
    this.context = context;
    this.out = context.createGain();
    const warm = context.createBiquadFilter();
    warm.type = "lowpass";
    warm.frequency.value = 3200;
    const echo = context.createDelay(1);
    echo.delayTime.value = 0.37;
    const again = context.createGain();
    again.gain.value = 0.32;
    const limit = context.createDynamicsCompressor();
    this.out.connect(warm);
    warm.connect(limit);
    warm.connect(echo);
    echo.connect(again);
    again.connect(echo);
    again.connect(limit);
    limit.connect(context.destination);
    this.turn(true);
  }

  turn(on) {
    this.on = on;
    if (on) this.context.resume();
    this.out.gain.setTargetAtTime(on ? 0.6 : 0, this.context.currentTime, 0.08);
  }

  // Plays a note `inSeconds` from now; one whose time is over is left out.
  play([, voice, pitch, velocity], inSeconds) {
    if (!this.on || inSeconds < -0.05) return;
    const { wave, gain, attack, hold } = VOICES[voice];
    const start = this.context.currentTime + Math.max(0, inSeconds);
    const level = this.context.createGain();
    level.gain.setValueAtTime(0.0001, start);
    level.gain.exponentialRampToValueAtTime(gain * velocity, start + attack);
    level.gain.exponentialRampToValueAtTime(0.0001, start + hold);
    level.connect(this.out);
    const frequency = 440 * 2 ** ((pitch - 69) / 12);
    for (const [part, share] of voice === 2 ? [[1, 1], [2.76, 0.3]] : [[1, 1], [2, 0.18]]) {
      const tone = this.context.createOscillator();
      const portion = this.context.createGain();
      tone.type = wave;
      tone.frequency.value = frequency * part;
      portion.gain.value = share;
      tone.connect(portion).connect(level);
      tone.start(start);
      tone.stop(start + hold);
    }
  }
}
