/** What is said of each face: its label, its bars, and, when asked, what the label rests on. */

import { byId, make, write } from "./dom";
import { faceSide } from "./engine/faces";
import type { ModelInfo } from "./engine/model_file";
import { drawGray, drawHeat } from "./heat";
import type { Explanation } from "./messages";
import type { Person } from "./people";
import { capitalised, counted, listed, percent, verdictOf } from "./wording";

export interface CardEvents {
  onPoint(number: number | null): void;
  onSelect(number: number): void;
  explain(person: Person, emotion: number): Promise<Explanation>;
}

export class Cards {
  #list = byId<HTMLOListElement>("cards");
  #cards = new Map<number, Card>();
  #model: ModelInfo;
  #events: CardEvents;
  #wait: string | null = null;

  constructor(model: ModelInfo, events: CardEvents) {
    this.#model = model;
    this.#events = events;
  }

  /** Explain nothing while faces come and go; `until` says when it can be asked again. */
  hold(until: string | null): void {
    this.#wait = until;
    for (const card of this.#cards.values()) card.hold(until);
  }

  clear(): void {
    this.#cards.clear();
    this.#list.replaceChildren();
  }

  /** Show the people of a picture; those that are gone stay where `keepsAbsent`. */
  show(people: Person[], keepsAbsent = false): void {
    const present = new Set(people.map((person) => person.number));
    for (const [number, card] of this.#cards) {
      if (present.has(number)) continue;
      if (keepsAbsent) card.setAbsent();
      else {
        card.element.remove();
        this.#cards.delete(number);
      }
    }
    for (const person of people) {
      let card = this.#cards.get(person.number);
      if (card === undefined) {
        card = new Card(person.number, this.#model, this.#events);
        card.hold(this.#wait);
        this.#cards.set(person.number, card);
        this.#insert(card);
      }
      card.show(person);
    }
  }

  #insert(card: Card): void {
    const next = [...this.#cards.values()]
      .filter((other) => other.number > card.number)
      .sort((one, other) => one.number - other.number)[0];
    this.#list.insertBefore(card.element, next?.element ?? null);
  }

  /** Mark the face whose timeline is shown. */
  select(number: number | null): void {
    for (const [own, card] of this.#cards) card.element.classList.toggle("selected", own === number);
  }

  focus(number: number): void {
    this.#cards.get(number)?.element.focus();
  }
}

class Card {
  readonly number: number;
  readonly element: HTMLLIElement;
  #model: ModelInfo;
  #events: CardEvents;
  #person: Person | null = null;
  #crop = make("canvas", { width: "48", height: "48", class: "crop", role: "img" });
  #verdict = make("p", { class: "verdict" });
  #note = make("p", { class: "small" });
  #warning = make("p", { class: "small warning" });
  #bars: { row: HTMLElement; bar: HTMLElement; value: HTMLElement }[];
  #why: HTMLButtonElement;
  #about = make("span", { class: "visually-hidden" });
  #explanation = make("div", { class: "explanation" });

  constructor(number: number, model: ModelInfo, events: CardEvents) {
    this.number = number;
    this.#model = model;
    this.#events = events;
    this.#crop.setAttribute("aria-label", `Face ${number} as the network sees it`);
    this.#bars = model.classes.map(() => {
      const bar = make("i");
      const value = make("span", { class: "value" });
      return { row: make("li"), bar, value };
    });
    this.#bars.forEach(({ row, bar, value }, k) => {
      row.append(
        make("span", {}, model.classes[k]),
        make("span", { class: "track", "aria-hidden": "true" }, [bar]),
        value,
      );
    });
    this.#why = make("button", { type: "button", class: "quiet", "aria-expanded": "false" });
    this.#why.append("Why?", this.#about);
    this.hold(null);
    this.#why.addEventListener("click", () => void this.#toggleExplanation());
    const title = make("h3", { id: `face-${number}` }, `Face ${number}`);
    const list = make("ul", { class: "bars" }, this.#bars.map(({ row }) => row));
    list.setAttribute("aria-label", `Probabilities of face ${number}`);
    this.element = make(
      "li",
      { class: "card", tabindex: "-1", "aria-labelledby": title.id },
      [
        make("div", { class: "head" }, [
          this.#crop,
          make("div", {}, [title, this.#verdict, this.#note, this.#warning]),
          this.#why,
        ]),
        list,
        this.#explanation,
      ],
    );
    this.element.addEventListener("pointerenter", () => events.onPoint(number));
    this.element.addEventListener("pointerleave", () => events.onPoint(null));
    this.element.addEventListener("focusin", () => {
      events.onPoint(number);
      events.onSelect(number);
    });
    this.element.addEventListener("focusout", () => events.onPoint(null));
    this.element.addEventListener("click", () => events.onSelect(number));
  }

  hold(until: string | null): void {
    this.#why.disabled = until !== null;
    this.#why.title = until === null ? "" : capitalised(until);
    write(this.#about, ` Explain face ${this.number}${until === null ? "" : `, ${until}`}`);
  }

  show(person: Person): void {
    const isNew = this.#person?.crop !== person.crop;
    this.#person = person;
    this.element.classList.remove("absent");
    if (!isNew) return;
    drawGray(this.#crop, person.crop);
    const { probabilities } = person;
    const verdict = verdictOf(probabilities, this.#model);
    const { classes, setThreshold } = this.#model;
    write(this.#verdict, capitalised(verdict.words));
    this.#verdict.classList.toggle("unsure", !verdict.sure);
    write(
      this.#note,
      setThreshold === null
        ? "The probabilities of this model are not calibrated."
        : verdict.sure
          ? `${percent(probabilities[verdict.top])}, no other above ${percent(setThreshold)}`
          : listed(verdict.set.map((k) => `${classes[k]} ${percent(probabilities[k])}`), "and"),
    );
    write(this.#warning, person.warning === null ? "" : `${capitalised(person.warning)}.`);
    this.#bars.forEach(({ row, bar, value }, k) => {
      bar.style.width = `${100 * probabilities[k]}%`;
      row.classList.toggle("in-set", verdict.set.includes(k));
      write(value, percent(probabilities[k]));
    });
    this.#closeExplanation();
  }

  setAbsent(): void {
    this.element.classList.add("absent");
  }

  #closeExplanation(): void {
    if (!this.#explanation.hasChildNodes()) return;
    this.#explanation.replaceChildren();
    this.#why.setAttribute("aria-expanded", "false");
  }

  async #toggleExplanation(): Promise<void> {
    const person = this.#person;
    if (person === null) return;
    if (this.#explanation.hasChildNodes()) {
      this.#closeExplanation();
      return;
    }
    this.#why.disabled = true;
    const { top } = verdictOf(person.probabilities, this.#model);
    try {
      const explanation = await this.#events.explain(person, top);
      if (this.#person !== person) return; // a video went on
      this.#explanation.append(explained(person.crop, explanation, this.#model.classes[top]));
      this.#why.setAttribute("aria-expanded", "true");
    } catch (error) {
      this.#explanation.append(make("p", { class: "small" }, `No explanation: ${String(error)}`));
    } finally {
      this.#why.disabled = false;
      this.#why.focus({ preventScroll: true });
    }
  }
}

function explained(crop: Uint8Array, explanation: Explanation, emotion: string): HTMLElement {
  const { falls, probability, lowest } = explanation;
  const canvas = make("canvas", { width: "192", height: "192", role: "img" });
  drawHeat(canvas, crop, falls);
  const place = placeOf(lowest.x, lowest.y);
  const finding =
    probability - lowest.probability < 0.02
      ? `No single patch matters for “${emotion}”.`
      : `Covering ${place} lowers “${emotion}” most: from ${percent(probability)} to ${percent(lowest.probability)}.`;
  canvas.setAttribute("aria-label", `Heat map of face: ${finding}`);
  const strongest = Math.max(...falls.map(Math.abs));
  return make("figure", {}, [
    canvas,
    make("figcaption", {}, [
      make("p", {}, finding),
      make("p", { class: "scale" }, [
        make("span", {}, [make("i", { class: "for" }), "covering lowers it"]),
        make("span", {}, [make("i", { class: "against" }), "raises it"]),
        make("span", {}, `at most ${counted(Math.round(100 * strongest), "point")}`),
      ]),
      make("p", { class: "small" }, "A gray patch slides over the face; the colour is how much the probability changes. It says what the network looks at, not why a person looks so."),
    ]),
  ]);
}

const patchMiddle = 6;

function placeOf(x: number, y: number): string {
  const rows = ["the forehead", "the eyes", "the nose", "the mouth", "the chin"];
  const ends = [10, 22, 30, 40, faceSide];
  const row = rows[ends.findIndex((end) => y + patchMiddle <= end)];
  const column = x + patchMiddle;
  if (column < 18) return `the part around ${row}, on the left`;
  if (column > 30) return `the part around ${row}, on the right`;
  return `the part around ${row}`;
}
