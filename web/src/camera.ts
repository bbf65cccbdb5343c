/** The camera, live. */

import type { Face } from "./engine/faces";
import type { Engine } from "./engine_client";
import { Crowd, type Sample } from "./people";

/** People before a camera are near. */
const longestSide = 320;

/**
 * Show the camera. It is turned off with `signal`, also where that comes before the camera does:
 * people may take their time to allow it.
 */
export async function openCamera(
  video: HTMLVideoElement,
  signal: AbortSignal,
  onLost: () => void,
): Promise<void> {
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) throw new Error("browsers lend the camera to pages of https alone");
  const stream = await devices.getUserMedia({
    audio: false,
    video: { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 } },
  });
  const turnOff = () => stream.getTracks().forEach((track) => track.stop());
  if (signal.aborted) return turnOff();
  signal.addEventListener("abort", turnOff, { once: true });
  // Told of a camera that is unplugged or forbidden, not of one that is turned off here.
  for (const track of stream.getTracks()) track.addEventListener("ended", onLost, { signal });
  video.removeAttribute("src");
  video.srcObject = stream;
  await video.play();
}

export function cameraProblem(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The camera is blocked. Allow it for this page, then start it again.";
  if (name === "NotFoundError") return "No camera was found. Connect one, or open a photo.";
  if (name === "NotReadableError") return "Another program uses the camera. Close it, then try again.";
  return `The camera did not start: ${error instanceof Error ? error.message : String(error)}.`;
}

/**
 * Look at the camera until told to stop.
 *
 * Finding faces takes several times as long as telling their emotions, so it gets at most half of
 * the time: in between, faces are looked for where they were.
 */
export async function watch(
  video: HTMLVideoElement,
  engine: Engine,
  signal: AbortSignal,
  onSample: (sample: Sample) => void,
): Promise<void> {
  const crowd = new Crowd();
  const start = performance.now();
  let known: Face[] | undefined;
  let searchAgain = start;
  while (!signal.aborted) {
    await nextFrame(video);
    if (signal.aborted) return;
    const now = performance.now();
    const faces = known !== undefined && known.length > 0 && now < searchAgain ? known : undefined;
    const picture = await createImageBitmap(video);
    const content = { picture, longestSide, ...(faces && { faces: faces.map(bare) }) };
    const found = await engine.call("analyse", content, [picture]);
    if (faces === undefined) {
      known = found.faces;
      searchAgain = performance.now() + (performance.now() - now);
    }
    if (!signal.aborted) onSample(crowd.recognise(found, (now - start) / 1000));
  }
}

function bare({ box, score, eyes }: Face): Face {
  return { box, score, eyes };
}

function nextFrame(video: HTMLVideoElement): Promise<unknown> {
  // A hidden tab gets no frames; it looks again when it is shown.
  return new Promise((resolve) => {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}
