/** The page: what opens pictures, what is shown of them, and what a person can do. */

import { receiveFiles } from "./arrivals";
import { Boxes } from "./boxes";
import { cameraProblem, openCamera, watch } from "./camera";
import { Cards } from "./cards";
import { byId, write } from "./dom";
import type { ModelInfo } from "./engine/model_file";
import type { Engine } from "./engine_client";
import { analyseFilm, openFilm, sampleAt } from "./film";
import { load } from "./loading";
import { Crowd, type Sample } from "./people";
import { analysePhoto, largestFace } from "./photo";
import { annotated, save, stemOf, tableOf } from "./saving";
import { Timeline, summaryOf } from "./timeline";
import { clock, counted, percent, verdictOf } from "./wording";

const photo = byId<HTMLImageElement>("photo");
const video = byId<HTMLVideoElement>("video");
const fileInput = byId<HTMLInputElement>("file");
const position = byId<HTMLInputElement>("position");
const saveTable = byId<HTMLButtonElement>("save-table");
const savePicture = byId<HTMLButtonElement>("save-picture");
const stop = byId<HTMLButtonElement>("stop");
const play = byId<HTMLButtonElement>("play");

const windowOfCamera = 60; // seconds that the timeline of the camera shows
const maxSamples = 20_000; // half an hour of camera
const patience = 4000; // milliseconds between what is told of the camera to a screen reader

/** What the page says of the data of its own model is not true of others. */
const classesOfFer2013 = "angry,disgusted,fearful,happy,neutral,sad,surprised";

type Mode = "photo" | "film" | "camera";

/** When faces are explained that come and go. */
const explainedOnce = {
  photo: null,
  film: "once the video is looked through",
  camera: "once the camera is stopped",
};

class Page {
  #engine: Engine;
  #model: ModelInfo;
  #boxes: Boxes;
  #cards: Cards;
  #timeline: Timeline;

  #mode: Mode = "photo";
  #name = "";
  #samples: Sample[] = [];
  /** Pictures of the camera, those that are no longer kept among them. */
  #taken = 0;
  #shown: Sample | null = null;
  #selected = 1;
  #url = "";
  /** Ends whatever is under way when something else begins. */
  #task = new AbortController();
  #lastTold = { time: 0, text: "" };

  constructor(engine: Engine, model: ModelInfo) {
    this.#engine = engine;
    this.#model = model;
    this.#boxes = new Boxes(byId("boxes"), (number) => this.#cards.focus(number));
    this.#cards = new Cards(model, {
      onPoint: (number) => this.#boxes.mark(number),
      onSelect: (number) => this.#select(number),
      explain: (person, emotion) => {
        video.pause(); // the next picture would take the explanation away
        return engine.call("explain", { crop: person.crop, emotion });
      },
    });
    this.#timeline = new Timeline(byId("timeline"), model, (time) => {
      if (this.#mode === "film" && !position.disabled) video.currentTime = time;
    });
    this.#listen();
  }

  // --- what a person does -------------------------------------------------------------------

  #listen(): void {
    const choose = byId<HTMLButtonElement>("choose");
    const startCamera = byId<HTMLButtonElement>("start-camera");
    choose.disabled = startCamera.disabled = false;
    choose.addEventListener("click", () => fileInput.click());
    startCamera.addEventListener("click", () => void this.#openCamera());
    fileInput.addEventListener("change", () => {
      if (fileInput.files?.[0] !== undefined) this.open(fileInput.files[0]);
      fileInput.value = "";
    });
    byId("another").addEventListener("click", () => this.#home());
    stop.addEventListener("click", () => this.#stop());
    saveTable.addEventListener("click", () => {
      const table = tableOf(this.#samples, this.#model, this.#name);
      save(new Blob(["\ufeff", table], { type: "text/csv" }), `${stemOf(this.#name)}-emotions.csv`);
    });
    savePicture.addEventListener("click", () => void this.#savePicture());
    this.#listenToPlayer();
  }

  #listenToPlayer(): void {
    play.addEventListener("click", () => void (video.paused ? video.play() : video.pause()));
    position.addEventListener("input", () => {
      video.currentTime = Number(position.value);
    });
    for (const name of ["play", "pause"] as const) {
      video.addEventListener(name, () => {
        play.classList.toggle("playing", !video.paused);
        play.setAttribute("aria-label", video.paused ? "Play" : "Pause");
        if (!video.paused) requestAnimationFrame(() => this.#followFilm());
      });
    }
    video.addEventListener("seeked", () => this.#showFilmAt(video.currentTime));
  }

  // --- what is opened -----------------------------------------------------------------------

  open(file: File): void {
    if (file.type.startsWith("video/")) void this.#openFilm(file);
    else void this.#openPhoto(file);
  }

  /** End what was under way, and make room for the next. */
  #begin(mode: Mode, name: string, busy: string): AbortSignal {
    this.#close();
    this.#mode = mode;
    this.#name = name;
    write(byId("work-title"), name);
    byId("open").hidden = true;
    byId("work").hidden = false;
    photo.hidden = mode !== "photo";
    video.hidden = mode === "photo";
    byId("film").hidden = mode !== "film";
    byId("media").classList.toggle("mirrored", mode === "camera");
    stop.hidden = mode !== "camera";
    this.#cards.hold(explainedOnce[mode]);
    this.#setBusy(busy);
    byId("work-title").focus({ preventScroll: true });
    return this.#task.signal;
  }

  #close(): void {
    this.#task.abort();
    this.#task = new AbortController();
    video.pause();
    video.srcObject = null;
    video.removeAttribute("src");
    photo.removeAttribute("src");
    URL.revokeObjectURL(this.#url);
    this.#samples = [];
    this.#taken = 0;
    this.#shown = null;
    this.#selected = 1;
    this.#cards.clear();
    this.#boxes.show(null, this.#model);
    this.#timeline.hide();
    this.#setBusy(null);
    announce(""); // what is said of the next is news, also in the same words
    this.#lastTold = { time: 0, text: "" };
    write(byId("summary"), "");
    byId("problem").hidden = true;
    byId("about-sets").hidden = true;
    saveTable.disabled = savePicture.disabled = true;
  }

  #home(): void {
    this.#close();
    byId("work").hidden = true;
    byId("open").hidden = false;
    byId("choose").focus();
  }

  #fail(text: string): void {
    this.#home();
    showProblem(text);
  }

  async #openPhoto(file: File): Promise<void> {
    const signal = this.#begin("photo", file.name || "Pasted picture", "Looking for faces");
    this.#url = URL.createObjectURL(file);
    photo.src = this.#url;
    photo.alt = `The photo ${file.name}`;
    try {
      await photo.decode();
      const found = await analysePhoto(file, this.#engine);
      if (signal.aborted) return;
      const sample = new Crowd().recognise(found, null);
      this.#samples = [sample];
      this.#setBusy(null);
      this.#show(sample);
      const text = found.isFace
        ? `The whole picture is taken as a face: it has at most ${largestFace} pixels a side.`
        : sample.people.length === 0
          ? "No face found. Faces that are small, turned away or cut off are missed."
          : `${counted(sample.people.length, "face")} found.`;
      write(byId("summary"), text);
      announce(`${text} ${this.#described(sample)}`);
    } catch (error) {
      if (!signal.aborted) {
        this.#fail(`${file.name || "What was pasted"} cannot be shown: ${reasonOf(error)}. Try a JPEG, PNG or WebP picture, or an MP4 or WebM video.`);
      }
    }
  }

  async #openFilm(file: File): Promise<void> {
    const signal = this.#begin("film", file.name, "Opening the video");
    this.#url = URL.createObjectURL(file);
    try {
      this.#lockPlayer(true);
      const duration = await openFilm(video, this.#url);
      if (signal.aborted) return;
      position.max = String(duration);
      stop.hidden = false;
      await analyseFilm(video, this.#engine, signal, (sample) => {
        this.#samples.push(sample);
        this.#show(sample);
        const share = percent((sample.time ?? 0) / duration);
        this.#setBusy(`Looking through the video, ${share}`);
      });
      if (!signal.aborted) this.#finishFilm(true);
    } catch (error) {
      if (!signal.aborted) this.#fail(`${file.name} cannot be played: ${reasonOf(error)}. Try an MP4 or WebM video.`);
    }
  }

  #finishFilm(isWhole: boolean): void {
    this.#setBusy(null);
    this.#cards.hold(null);
    hideStop();
    this.#lockPlayer(false);
    const numbers = this.#numbers();
    const part = isWhole ? "the video" : "the part that was looked through";
    const text =
      this.#samples.length === 0
        ? "Stopped before the first picture."
        : numbers.length === 0
          ? `No face found in ${part}.`
          : `${counted(numbers.length, "face")} in ${counted(this.#samples.length, "picture")} of ${part}.`;
    write(byId("summary"), text);
    this.#selected = numbers[0] ?? 1;
    video.currentTime = this.#samples[0]?.time ?? 0;
    announce(`${text} ${numbers.slice(0, 5).map((n) => summaryOf(this.#samples, n, this.#model)).join(". ")}`);
  }

  /** The people of all samples, those who are seen most often first. */
  #numbers(): number[] {
    const counts = new Map<number, number>();
    for (const { people } of this.#samples) {
      for (const { number } of people) counts.set(number, (counts.get(number) ?? 0) + 1);
    }
    return [...counts.keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0));
  }

  async #openCamera(): Promise<void> {
    const signal = this.#begin("camera", "Camera", "Starting the camera");
    try {
      await openCamera(video, signal, () => this.#stop("The camera was taken away. "));
      await watch(video, this.#engine, signal, (sample) => {
        this.#taken += 1;
        this.#samples.push(sample);
        if (this.#samples.length > maxSamples) this.#samples.shift();
        this.#setBusy(null);
        this.#show(sample);
        this.#tellOfCamera(sample);
      });
    } catch (error) {
      if (!signal.aborted) this.#fail(cameraProblem(error));
    }
  }

  #stop(reason = ""): void {
    video.pause(); // before the camera is off, so that its last picture stays
    this.#task.abort();
    this.#setBusy(null);
    hideStop();
    if (this.#mode === "film") {
      this.#finishFilm(false);
      return;
    }
    this.#cards.hold(null);
    const kept = this.#samples.length;
    const text =
      kept === 0
        ? `${reason}Stopped before the first picture.`
        : this.#taken > kept
          ? `${reason}Stopped after ${this.#taken.toLocaleString("en")} pictures; the last ${kept.toLocaleString("en")} are kept.`
          : `${reason}Stopped after ${counted(kept, "picture")}.`;
    write(byId("summary"), text);
    announce(text);
  }

  // --- what is shown ------------------------------------------------------------------------

  #show(sample: Sample): void {
    this.#shown = sample;
    const isPhoto = this.#mode === "photo";
    this.#boxes.show(sample, this.#model, this.#mode === "camera");
    this.#cards.show(sample.people, this.#mode === "film");
    const { people } = sample;
    if (this.#mode === "camera" && people.every(({ number }) => number !== this.#selected)) {
      this.#selected = people[0]?.number ?? this.#selected;
    }
    byId("about-sets").hidden = this.#model.setThreshold === null || this.#samples.every((one) => one.people.length === 0);
    saveTable.disabled = savePicture.disabled = this.#samples.length === 0;
    if (!isPhoto) this.#showTimeline(sample.time ?? 0);
  }

  #showTimeline(time: number): void {
    this.#cards.select(this.#selected);
    if (this.#mode === "film") this.#showClock(time);
    if (this.#samples.every(({ people }) => people.length === 0)) return;
    const isFilm = this.#mode === "film";
    const end = isFilm ? video.duration : Math.max(windowOfCamera, time);
    const start = isFilm ? 0 : end - windowOfCamera;
    const inView = isFilm ? this.#samples : this.#samples.filter((one) => (one.time ?? 0) >= start);
    this.#timeline.show(inView, this.#selected, start, isFilm ? end : Math.max(end, time), time);
  }

  #showClock(time: number): void {
    position.value = String(time);
    write(byId("clock"), `${clock(time)} / ${clock(video.duration)}`);
    position.setAttribute("aria-valuetext", `${clock(time, 1)}. ${this.#shown ? this.#described(this.#shown) : ""}`);
  }

  #showFilmAt(time: number): void {
    if (this.#mode !== "film" || position.disabled) return;
    const sample = sampleAt(this.#samples, time);
    this.#shown = sample;
    this.#boxes.show(sample, this.#model);
    this.#cards.show(sample?.people ?? [], true);
    savePicture.disabled = sample === null;
    this.#showTimeline(time);
  }

  #followFilm(): void {
    this.#showFilmAt(video.currentTime);
    if (!video.paused) requestAnimationFrame(() => this.#followFilm());
  }

  #lockPlayer(locked: boolean): void {
    play.disabled = position.disabled = locked;
  }

  #select(number: number): void {
    if (this.#mode === "photo" || number === this.#selected) return;
    this.#selected = number;
    if (this.#shown !== null) this.#showTimeline(this.#shown.time ?? 0);
  }

  #described({ people }: Sample): string {
    return people
      .slice(0, 8)
      .map(({ number, probabilities, warning }) => {
        const { top, words, sure } = verdictOf(probabilities, this.#model);
        const share = sure ? `, ${percent(probabilities[top])}` : "";
        return `Face ${number}: ${words}${share}${warning === null ? "" : `, ${warning}`}.`;
      })
      .join(" ");
  }

  #tellOfCamera(sample: Sample): void {
    const text =
      sample.people.length === 0
        ? "No face before the camera."
        : sample.people
            .map((one) => `Face ${one.number}: ${verdictOf(one.probabilities, this.#model).words}.`)
            .join(" ");
    const now = performance.now();
    if (text === this.#lastTold.text || now - this.#lastTold.time < patience) return;
    this.#lastTold = { time: now, text };
    write(byId("summary"), sample.people.length === 0 ? text : `${counted(sample.people.length, "face")} before the camera.`);
    announce(text);
  }

  async #savePicture(): Promise<void> {
    const sample = this.#shown;
    if (sample === null) return;
    try {
      const picture = this.#mode === "photo" ? photo : video;
      save(await annotated(picture, sample, this.#model), `${stemOf(this.#name)}-faces.png`);
    } catch (error) {
      showProblem(`The picture was not saved: ${reasonOf(error)}.`);
    }
  }

  #setBusy(text: string | null): void {
    byId("busy").hidden = text === null;
    write(byId("busy-text"), text ?? "");
  }
}

/** A button that is hidden while it has the focus would drop it. */
function hideStop(): void {
  if (document.activeElement === stop) byId("work-title").focus({ preventScroll: true });
  stop.hidden = true;
}

function announce(text: string): void {
  write(byId("announcement"), text);
}

function showProblem(text: string): void {
  const problem = byId("problem");
  problem.hidden = false;
  write(problem, text);
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
}

async function start(): Promise<void> {
  const progress = byId<HTMLProgressElement>("progress");
  let page: Page | null = null;
  let early: File | null = null;
  receiveFiles((file) => {
    if (page !== null) return page.open(file);
    early = file;
    write(byId("loading-text"), `Loading the models, then opening ${file.name || "what was pasted"}`);
  });
  try {
    const { engine, model } = await load((share) => {
      if (share !== null) progress.value = share;
    });
    page = new Page(engine, model);
    if ([...model.classes].sort().join() !== classesOfFer2013) {
      for (const text of document.querySelectorAll("[data-of=fer2013]")) text.remove();
    }
    byId("loading").hidden = true;
    if (model.accuracy !== null) {
      const share = percent(model.accuracy);
      write(byId("accuracy"), `The network repeats such a label for ${share} of the data set’s faces and is wrong about the rest`);
    }
    write(byId("model"), `Model of ferboost ${model.version}: ${model.classes.join(", ")}.`);
    announce("Ready.");
    document.documentElement.dataset.ready = "";
    if (early !== null) page.open(early);
  } catch (error) {
    byId("loading").hidden = true;
    showProblem(`The page could not be loaded: ${reasonOf(error)}. Reload it; a browser of 2023 or later is needed.`);
  }
}

void start();
