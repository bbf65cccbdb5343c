/** The boxes over the picture: buttons that lead to what is said of the face. */

import { make, write } from "./dom";
import type { ModelInfo } from "./engine/model_file";
import type { Person, Sample } from "./people";
import { percent, verdictOf } from "./wording";

const gap = 4; // pixels between a box and its label

interface Drawn {
  button: HTMLButtonElement;
  tag: HTMLElement;
  /** As shares of the picture. */
  place: { left: number; top: number; right: number; bottom: number };
}

export class Boxes {
  #container: HTMLElement;
  #byNumber = new Map<number, Drawn>();
  #onChoose: (number: number) => void;

  constructor(container: HTMLElement, onChoose: (number: number) => void) {
    this.#container = container;
    this.#onChoose = onChoose;
    new ResizeObserver(() => this.#placeTags()).observe(container);
  }

  /** Draw the faces of a sample; `mirrored` as cameras show people to themselves. */
  show(sample: Sample | null, model: ModelInfo, mirrored = false): void {
    const people = sample?.people ?? [];
    const numbers = new Set(people.map((person) => person.number));
    for (const [number, { button }] of this.#byNumber) {
      if (!numbers.has(number)) {
        button.remove();
        this.#byNumber.delete(number);
      }
    }
    for (const person of people) {
      const drawn = this.#byNumber.get(person.number) ?? this.#add(person.number);
      const { button, tag } = drawn;
      drawn.place = placeOf(person, sample as Sample, mirrored);
      const { left, top, right, bottom } = drawn.place;
      button.style.left = `${100 * left}%`;
      button.style.top = `${100 * top}%`;
      button.style.width = `${100 * (right - left)}%`;
      button.style.height = `${100 * (bottom - top)}%`;
      const verdict = verdictOf(person.probabilities, model);
      const share = percent(person.probabilities[verdict.top]);
      const number = people.length > 1 ? `${person.number}\u2002` : "";
      const words = verdict.sure ? `${model.classes[verdict.top]} ${share}` : "not sure";
      write(tag, number + words);
      button.setAttribute("aria-label", `Face ${person.number}: ${verdict.words}`);
    }
    this.#placeTags();
  }

  /** Put each label above its box, else below, else inside: wherever the picture has room. */
  #placeTags(): void {
    const { clientWidth, clientHeight } = this.#container;
    const drawn = [...this.#byNumber.values()];
    // All is measured before anything is moved, so that it is laid out once.
    const sizes = drawn.map(({ tag }) => [tag.offsetWidth, tag.offsetHeight]);
    drawn.forEach(({ tag, place }, k) => {
      const [width, height] = sizes[k];
      const [left, top, bottom] = [
        place.left * clientWidth,
        place.top * clientHeight,
        place.bottom * clientHeight,
      ];
      const above = top - gap - height;
      const below = bottom + gap;
      const inside = Math.max(0, top) + gap;
      const y = above >= 0 ? above : below + height <= clientHeight ? below : inside;
      const x = Math.max(0, Math.min(left, clientWidth - width));
      tag.style.translate = `${x - left}px ${y - top}px`;
    });
  }

  mark(number: number | null): void {
    for (const [own, { button }] of this.#byNumber) button.classList.toggle("marked", own === number);
  }

  #add(number: number): Drawn {
    const tag = make("span", { class: "tag" });
    const button = make("button", { type: "button", class: "box" }, [tag]);
    const drawn = { button, tag, place: { left: 0, top: 0, right: 0, bottom: 0 } };
    button.addEventListener("click", () => this.#onChoose(number));
    this.#container.append(button);
    this.#byNumber.set(number, drawn);
    return drawn;
  }
}

function placeOf({ box }: Person, { width, height }: Sample, mirrored: boolean): Drawn["place"] {
  const left = mirrored ? width - box.right : box.left;
  return {
    left: left / width,
    top: box.top / height,
    right: (left + box.right - box.left) / width,
    bottom: box.bottom / height,
  };
}
