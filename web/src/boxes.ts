/** The boxes over the picture: buttons that lead to what is said of the face. */

import { make, write } from "./dom";
import type { ModelInfo } from "./engine/model_file";
import type { Sample } from "./people";
import { percent, verdictOf } from "./wording";

export class Boxes {
  #container: HTMLElement;
  #byNumber = new Map<number, HTMLButtonElement>();
  #onChoose: (number: number) => void;

  constructor(container: HTMLElement, onChoose: (number: number) => void) {
    this.#container = container;
    this.#onChoose = onChoose;
  }

  /** Draw the faces of a sample; `mirrored` as cameras show people to themselves. */
  show(sample: Sample | null, model: ModelInfo, mirrored = false): void {
    const people = sample?.people ?? [];
    const numbers = new Set(people.map((person) => person.number));
    for (const [number, button] of this.#byNumber) {
      if (!numbers.has(number)) {
        button.remove();
        this.#byNumber.delete(number);
      }
    }
    for (const person of people) {
      const { left, top, right, bottom } = person.box;
      const { width, height } = sample as Sample;
      const button = this.#byNumber.get(person.number) ?? this.#add(person.number);
      const start = mirrored ? width - right : left;
      button.style.left = `${(100 * start) / width}%`;
      button.style.top = `${(100 * top) / height}%`;
      button.style.width = `${(100 * (right - left)) / width}%`;
      button.style.height = `${(100 * (bottom - top)) / height}%`;
      button.classList.toggle("low", top < height * 0.08);
      const verdict = verdictOf(person.probabilities, model);
      const share = percent(person.probabilities[verdict.top]);
      const number = people.length > 1 ? `${person.number}\u2002` : "";
      const words = verdict.sure ? `${model.classes[verdict.top]} ${share}` : "not sure";
      write(button.firstElementChild as Element, number + words);
      button.setAttribute("aria-label", `Face ${person.number}: ${verdict.words}`);
    }
  }

  mark(number: number | null): void {
    for (const [own, button] of this.#byNumber) button.classList.toggle("marked", own === number);
  }

  #add(number: number): HTMLButtonElement {
    const tag = make("span", { class: "tag" });
    const button = make("button", { type: "button", class: "box" }, [tag]);
    button.addEventListener("click", () => this.#onChoose(number));
    this.#container.append(button);
    this.#byNumber.set(number, button);
    return button;
  }
}
