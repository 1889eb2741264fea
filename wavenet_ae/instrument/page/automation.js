// An AudioParam whose value is known at all times, also before they are rendered.

/**
 * Schedules lines and exponential approaches, each of which replaces what was to come after its
 * start. Nothing is read back from the param, so that a live context and an offline one, whose
 * events are all scheduled before it starts, sound alike.
 */
export class Automation {
  constructor(param, value, when) {
    this.param = param;
    this.segments = [{ start: when, from: value, to: value, end: when }];
    param.setValueAtTime(value, when);
  }

  valueAt(time) {
    let current = this.segments[0];
    for (const segment of this.segments) {
      if (segment.start <= time) current = segment;
    }
    const { start, from, to, end, tau } = current;
    if (time <= start) return from;
    if (tau) return to + (from - to) * Math.exp(-(time - start) / tau);
    return time >= end ? to : from + ((to - from) * (time - start)) / (end - start);
  }

  /** Goes straight to a value. */
  lineTo(value, start, end) {
    const from = this.cut(start);
    this.param.linearRampToValueAtTime(value, end);
    this.segments.push({ start, from, to: value, end });
    return this;
  }

  /** Approaches a value: to 1/e of the distance in `tau` seconds. */
  approach(value, start, tau) {
    const from = this.cut(start);
    this.param.setTargetAtTime(value, start, tau);
    this.segments.push({ start, from, to: value, tau });
    return this;
  }

  /** Ends what goes on at a time, with the value that it has then. */
  cut(time) {
    const value = this.valueAt(time);
    const kept = this.segments.filter((segment) => segment.start < time);
    const last = kept.at(-1) ?? this.segments[0];
    this.param.cancelScheduledValues(time);
    // A line that is cut short is the same line to an earlier end.
    if (!last.tau && last.end >= time && last.start < time) {
      this.param.linearRampToValueAtTime(value, time);
    } else this.param.setValueAtTime(value, time);
    this.segments = [last];
    return value;
  }
}
