/** The worker: both models and all that is done to pixels. The page only draws. */

import { InferenceSession, env } from "onnxruntime-web/wasm";

import { detectFaces } from "./engine/centerface";
import { predictEmotions } from "./engine/emotions";
import { type Face, cropFace, wholeFace } from "./engine/faces";
import { readModelInfo } from "./engine/model_file";
import { meanFalls, occlude } from "./engine/occlusion";
import { type Raster, rgbOf } from "./engine/raster";
import { type TraitLimits, warningOf } from "./engine/traits";
import type { Answer, Calls, Explanation, Findings, Kind, Request } from "./messages";

const errorsOnly = 3;

let emotions: InferenceSession;
let detector: InferenceSession;
let limits: TraitLimits | null;

const handlers: { [K in Kind]: (content: Calls[K]["request"]) => Promise<Calls[K]["answer"]> } = {
  async start(content) {
    env.wasm.numThreads = 1; // more would need headers that not every host can send
    env.wasm.wasmBinary = await decompressed(content.runtime);
    const options = { executionProviders: ["wasm"], logSeverityLevel: errorsOnly } as const;
    const bytes = new Uint8Array(content.emotions);
    const info = readModelInfo(bytes);
    limits = info.limits;
    emotions = await InferenceSession.create(bytes, options);
    detector = await InferenceSession.create(new Uint8Array(content.faces), options);
    return info;
  },
  async analyse({ picture, longestSide, faces: known, isFace = false }): Promise<Findings> {
    const rgb = pixelsOf(picture);
    const faces = isFace
      ? [placeOf(rgb)]
      : (known ?? (await detectFaces(detector, rgb, longestSide)));
    const crops = isFace ? [wholeFace(rgb)] : faces.map((face) => cropFace(rgb, face));
    const rows = await predictEmotions(emotions, crops);
    return {
      width: rgb.width,
      height: rgb.height,
      isFace,
      faces: faces.map((face, k) => {
        const crop = crops[k];
        return { ...face, crop, probabilities: rows[k], warning: warningOf(crop, limits) };
      }),
    };
  },
  async explain({ crop, emotion }): Promise<Explanation> {
    const { faces, places } = occlude(crop);
    const [whole, ...covered] = await predictEmotions(emotions, [crop, ...faces]);
    const left = covered.map((row) => row[emotion]);
    const least = left.indexOf(Math.min(...left));
    const [x, y] = places[least];
    return {
      falls: meanFalls(places, left.map((probability) => whole[emotion] - probability)),
      probability: whole[emotion],
      lowest: { x, y, probability: left[least] },
    };
  },
};

// onnxruntime computes one thing at a time.
let queue = Promise.resolve();

addEventListener("message", ({ data }: MessageEvent<Request>) => {
  queue = queue.then(async () => {
    let answer: Answer;
    try {
      answer = { id: data.id, content: await handle(data.kind, data.content) };
    } catch (error) {
      answer = { id: data.id, error: error instanceof Error ? error.message : String(error) };
    }
    postMessage(answer);
  });
});

function handle<K extends Kind>(kind: K, content: Request["content"]): Promise<Calls[K]["answer"]> {
  return handlers[kind](content as Calls[K]["request"]);
}

/** The runtime travels compressed: not every host compresses what it sends. */
async function decompressed(content: ArrayBuffer): Promise<ArrayBuffer> {
  const [first, second] = new Uint8Array(content, 0, 2);
  if (first !== 0x1f || second !== 0x8b) return content; // a host has undone it
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** The whole of a picture, as nobody has looked for a face in it. */
function placeOf({ width, height }: Raster): Face {
  const box = { left: 0, top: 0, right: width, bottom: height };
  return { box, score: 1, eyes: [[0, 0], [width, 0]] };
}

/** Transparent parts become white, as in Python. */
function pixelsOf(picture: ImageBitmap): Raster {
  const { width, height } = picture;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("the browser is out of memory for pictures");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0);
  picture.close();
  return rgbOf(context.getImageData(0, 0, width, height));
}
