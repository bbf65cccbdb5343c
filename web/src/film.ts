/** Video files: looked through picture by picture, then played with what was found. */

import type { Engine } from "./engine_client";
import { Crowd, type Sample, memory } from "./people";

/** Videos are searched at half the size of photos: a quarter of the time. */
const longestSide = 480;
const interval = 0.2; // seconds
const maxSamples = 600;
const patience = 5; // seconds until a place of a video is gone to once more

/** Have a video ready to be drawn; return its length in seconds. */
export async function openFilm(video: HTMLVideoElement, url: string): Promise<number> {
  video.srcObject = null;
  video.src = url;
  await happens(video, "loadeddata");
  if (!Number.isFinite(video.duration)) {
    // Recordings of browsers do not say how long they are until they are searched for their end.
    video.currentTime = Number.MAX_SAFE_INTEGER;
    await happens(video, "seeked");
  }
  if (video.videoWidth === 0) throw new Error("it holds no pictures");
  return video.duration;
}

/** Look through a video; each picture is told as soon as it is done. */
export async function analyseFilm(
  video: HTMLVideoElement,
  engine: Engine,
  signal: AbortSignal,
  onSample: (sample: Sample) => void,
): Promise<void> {
  const step = Math.max(interval, video.duration / maxSamples);
  // In a film of hours a face may be missed once and is still who it was.
  const crowd = new Crowd(Math.max(memory, 2.5 * step));
  for (let time = 0; time < video.duration && !signal.aborted; time += step) {
    await seek(video, time);
    if (signal.aborted) return;
    const picture = await createImageBitmap(video);
    const found = await engine.call("analyse", { picture, longestSide }, [picture]);
    if (!signal.aborted) onSample(crowd.recognise(found, time));
  }
}

export async function seek(video: HTMLVideoElement, time: number): Promise<void> {
  const done = happens(video, "seeked");
  video.currentTime = time;
  await done;
}

/** The sample nearest to a time; null where there is none within `interval`s of it. */
export function sampleAt(samples: Sample[], time: number): Sample | null {
  let nearest: Sample | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const sample of samples) {
    const distance = Math.abs((sample.time ?? 0) - time);
    if (distance < least) [nearest, least] = [sample, distance];
  }
  const step = samples.length > 1 ? (samples[1].time ?? 0) - (samples[0].time ?? 0) : interval;
  return least <= step ? nearest : null;
}

function happens(video: HTMLVideoElement, name: "loadeddata" | "seeked"): Promise<void> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const { signal } = controller;
    const end = () => {
      controller.abort();
      clearInterval(watch);
    };
    const succeed = () => (end(), resolve());
    const fail = () => (end(), reject(new Error("this browser cannot play it")));
    // A busy browser can lose an event, or a place that it was to go to.
    let looks = 0;
    const watch = setInterval(() => {
      looks += 1;
      const isThere = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
      if (isThere && !(name === "seeked" && video.seeking)) succeed();
      else if (looks % patience === 0 && video.seeking) video.currentTime = video.currentTime;
    }, 1000);
    video.addEventListener(name, succeed, { signal });
    video.addEventListener("error", fail, { signal });
  });
}
