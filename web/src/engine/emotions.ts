/** The emotions of faces: the model's probabilities, and what they say. */

import { type InferenceSession, Tensor } from "onnxruntime-web/wasm";

import { faceSide } from "./faces";

const batchSize = 64;
const facePixels = faceSide * faceSide;

/** Return the probabilities of each face of 48 x 48 gray values. */
export async function predictEmotions(
  session: InferenceSession,
  faces: Uint8Array[],
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let start = 0; start < faces.length; start += batchSize) {
    const batch = faces.slice(start, start + batchSize);
    const values = new Uint8Array(batch.length * facePixels);
    batch.forEach((face, place) => values.set(face, place * facePixels));
    const input = new Tensor("uint8", values, [batch.length, faceSide, faceSide]);
    const outputs = await session.run({ [session.inputNames[0]]: input });
    const output = outputs[session.outputNames[0]].data as Float32Array;
    const classes = output.length / batch.length;
    for (let place = 0; place < batch.length; place += 1) {
      rows.push(output.slice(place * classes, (place + 1) * classes));
    }
  }
  return rows;
}
