/** Photos. */

import type { Engine } from "./engine_client";
import type { Findings } from "./messages";

/** A picture of no more pixels a side is taken as a face, as in Python: data sets have such. */
export const largestFace = 96;
/** Every photo is searched at this size, as in Python. */
const longestSide = 960;
// 24 megapixels are 170 MB on their way through the worker, which a phone has.
const maxPixels = 24e6;

/** Find the faces of a photo, by their left edges; places are in its own pixels. */
export async function analysePhoto(file: Blob, engine: Engine): Promise<Findings> {
  const whole = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const { width, height } = whole;
  const scale = Math.min(1, Math.sqrt(maxPixels / (width * height)));
  const picture = scale === 1 ? whole : await shrunk(whole, scale);
  const isFace = Math.max(width, height) <= largestFace;
  const found = await engine.call("analyse", { picture, longestSide, isFace }, [picture]);
  const faces = found.faces.toSorted((one, other) => one.box.left - other.box.left);
  return scaled({ ...found, faces }, width, height);
}

async function shrunk(whole: ImageBitmap, scale: number): Promise<ImageBitmap> {
  const resizeWidth = Math.max(1, Math.round(whole.width * scale));
  const picture = await createImageBitmap(whole, { resizeWidth, resizeQuality: "high" });
  whole.close();
  return picture;
}

/** Bring the places of what was found to a picture of another size. */
function scaled(found: Findings, width: number, height: number): Findings {
  const [x, y] = [width / found.width, height / found.height];
  if (x === 1 && y === 1) return found;
  const faces = found.faces.map((face) => ({
    ...face,
    box: {
      left: face.box.left * x,
      top: face.box.top * y,
      right: face.box.right * x,
      bottom: face.box.bottom * y,
    },
  }));
  return { ...found, width, height, faces };
}
