/** Finds faces with CenterFace; the twin of ferboost/inference/centerface.py. */

import { type InferenceSession, Tensor } from "onnxruntime-web/wasm";

import { type Face, type Point, overlap } from "./faces";
import { type Raster, bilinear, resize, roundHalfEven } from "./raster";

const multiple = 32;
const stride = 4;
const maxOverlap = 0.3;
const minScore = 0.5;
const maxEnlargement = 2;
const sideOfCopy = 160;

/**
 * Find the faces of an RGB picture that is brought to `longestSide` pixels; surest first.
 *
 * Where none is found, a small copy is searched, which shows faces that fill a picture.
 */
export async function detectFaces(
  session: InferenceSession,
  rgb: Raster,
  longestSide: number,
): Promise<Face[]> {
  const longest = Math.max(rgb.width, rgb.height);
  const faces = await search(session, rgb, Math.min(maxEnlargement, longestSide / longest));
  return faces.length > 0 ? faces : search(session, rgb, sideOfCopy / longest);
}

async function search(session: InferenceSession, rgb: Raster, scale: number): Promise<Face[]> {
  const width = Math.max(1, roundHalfEven(rgb.width * scale));
  const height = Math.max(1, roundHalfEven(rgb.height * scale));
  const input = planes(resize(rgb, width, height, bilinear));
  const found = await session.run({ [session.inputNames[0]]: input });
  const maps = session.outputNames.map((name) => found[name].data as Float32Array);
  const mapWidth = input.dims[3] / stride;
  return withoutOverlaps(decode(maps, mapWidth, rgb.width / width, rgb.height / height));
}

function planes({ width, height, data }: Raster): Tensor {
  const [paddedWidth, paddedHeight] = [width, height].map((n) => Math.ceil(n / multiple) * multiple);
  const plane = paddedWidth * paddedHeight;
  const values = new Float32Array(3 * plane);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = (y * width + x) * 3;
      const to = y * paddedWidth + x;
      values[to] = data[from];
      values[plane + to] = data[from + 1];
      values[2 * plane + to] = data[from + 2];
    }
  }
  return new Tensor("float32", values, [1, 3, paddedHeight, paddedWidth]);
}

function decode(maps: Float32Array[], mapWidth: number, backX: number, backY: number): Face[] {
  const [heat, sizes, offsets, landmarks] = maps;
  const plane = heat.length;
  const faces: Face[] = [];
  for (let place = 0; place < plane; place += 1) {
    if (!(heat[place] > minScore)) continue;
    const row = Math.floor(place / mapWidth);
    const column = place % mapWidth;
    const tall = Math.exp(sizes[place]) * stride;
    const wide = Math.exp(sizes[plane + place]) * stride;
    const top = (row + offsets[place] + 0.5) * stride - tall / 2;
    const left = (column + offsets[plane + place] + 0.5) * stride - wide / 2;
    const eye = (k: number): Point => [
      (left + landmarks[(2 * k + 1) * plane + place] * wide) * backX,
      (top + landmarks[2 * k * plane + place] * tall) * backY,
    ];
    faces.push({
      box: {
        left: left * backX,
        top: top * backY,
        right: (left + wide) * backX,
        bottom: (top + tall) * backY,
      },
      score: heat[place],
      eyes: [eye(0), eye(1)],
    });
  }
  return faces;
}

function withoutOverlaps(faces: Face[]): Face[] {
  const kept: Face[] = [];
  for (const face of faces.toSorted((one, other) => other.score - one.score)) {
    if (kept.every((other) => overlap(face.box, other.box) < maxOverlap)) kept.push(face);
  }
  return kept;
}
