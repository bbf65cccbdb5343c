/** How the emotions of one face change over time. */

import { make, write } from "./dom";
import type { ModelInfo } from "./engine/model_file";
import type { Sample } from "./people";
import { clock, counted, listed, percent, verdictOf } from "./wording";

const rowHeight = 20;
const gap = 3;

export class Timeline {
  #container: HTMLElement;
  #model: ModelInfo;
  #title = make("h3");
  #canvas = make("canvas", { role: "img" });
  #from = make("span");
  #to = make("span");
  #shown: { samples: Sample[]; number: number; start: number; end: number; position: number } | null =
    null;

  constructor(container: HTMLElement, model: ModelInfo, onSeek: (time: number) => void) {
    this.#container = container;
    this.#model = model;
    const names = make("div", { class: "names", "aria-hidden": "true" });
    names.append(...model.classes.map((name) => make("span", {}, name)));
    const axis = make("div", { class: "axis", "aria-hidden": "true" }, [this.#from, this.#to]);
    container.replaceChildren(this.#title, make("div", { class: "grid" }, [names, this.#canvas, axis]));
    this.#canvas.style.height = `${model.classes.length * rowHeight}px`;
    this.#canvas.addEventListener("click", (event) => {
      if (this.#shown === null) return;
      const { start, end } = this.#shown;
      onSeek(start + (event.offsetX / this.#canvas.clientWidth) * (end - start));
    });
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  hide(): void {
    this.#shown = null;
    this.#container.hidden = true;
  }

  /** Show one person's emotions from `start` to `end`, in seconds. */
  show(samples: Sample[], number: number, start: number, end: number, position: number): void {
    this.#shown = { samples, number, start, end, position };
    this.#container.hidden = false;
    write(this.#title, `Face ${number} over time`);
    write(this.#from, clock(start));
    write(this.#to, clock(end));
    this.#canvas.setAttribute("aria-label", summaryOf(samples, number, this.#model));
    this.#draw();
  }

  #draw(): void {
    const { clientWidth, clientHeight } = this.#canvas;
    const context = this.#canvas.getContext("2d");
    if (this.#shown === null || context === null || clientWidth === 0) return;
    const { samples, number, start, end, position } = this.#shown;
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(clientWidth * ratio);
    this.#canvas.height = Math.round(clientHeight * ratio);
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.#canvas);
    const x = (time: number) => ((time - start) / (end - start || 1)) * clientWidth;
    context.fillStyle = style.getPropertyValue("--shade");
    this.#model.classes.forEach((_, row) =>
      context.fillRect(0, row * rowHeight, clientWidth, rowHeight - gap),
    );
    context.fillStyle = style.getPropertyValue("--accent");
    const [secondLast, last] = samples.slice(-2).map((sample) => sample.time ?? 0);
    const step = last === undefined ? 0 : last - secondLast;
    samples.forEach((sample, k) => {
      const person = sample.people.find((one) => one.number === number);
      const time = sample.time ?? 0;
      if (person === undefined || time < start) return;
      const left = x(time);
      const width = Math.max(1, x(Math.min(end, samples[k + 1]?.time ?? time + step)) - left);
      person.probabilities.forEach((share, row) => {
        const high = share * (rowHeight - gap);
        context.fillRect(left, (row + 1) * rowHeight - gap - high, width + 0.5, high);
      });
    });
    context.fillStyle = style.getPropertyValue("--ink");
    context.fillRect(x(position) - 0.75, 0, 1.5, clientHeight - gap);
  }
}

/** "Face 1: happy in 62 %, neutral in 30 % of 31 pictures". */
export function summaryOf(samples: Sample[], number: number, model: ModelInfo): string {
  const counts = new Map<string, number>();
  let all = 0;
  for (const { people } of samples) {
    const person = people.find((one) => one.number === number);
    if (person === undefined) continue;
    const { top, sure } = verdictOf(person.probabilities, model);
    const name = sure ? model.classes[top] : "not sure";
    counts.set(name, (counts.get(name) ?? 0) + 1);
    all += 1;
  }
  const parts = [...counts]
    .sort((one, other) => other[1] - one[1])
    .slice(0, 3)
    .map(([name, count]) => `${name} in ${percent(count / all)}`);
  return `Face ${number}: ${listed(parts, "and")} of ${counted(all, "picture")}`;
}
