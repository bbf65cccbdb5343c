/**
 * Pictures as arrays, and Pillow's resampling of them, value for value.
 *
 * The models were trained on what Pillow makes of a picture; a browser's own scaling differs by
 * tens of gray values, and by it so do the probabilities. Sums are in whole numbers as Pillow's are.
 */

/** Rows of pixels, `channels` bytes each. */
export interface Raster {
  width: number;
  height: number;
  channels: number;
  data: Uint8ClampedArray;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

interface Filter {
  support: number;
  weight(x: number): number;
}

export const bilinear: Filter = {
  support: 1,
  weight: (x) => Math.max(0, 1 - Math.abs(x)),
};

export const lanczos: Filter = {
  support: 3,
  weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0),
};

const precisionBits = 22;

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** Python's `round`: halves go to the even neighbour. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest === 0.5 ? floor + (floor % 2 === 0 ? 0 : 1) : Math.round(x);
}

/** Drop the fourth channel of what a canvas holds. */
export function rgbOf(image: ImageData): Raster {
  const { width, height } = image;
  const data = new Uint8ClampedArray(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = image.data[from];
    data[to + 1] = image.data[from + 1];
    data[to + 2] = image.data[from + 2];
  }
  return { width, height, channels: 3, data };
}

/** Cut out a piece and make it gray (ITU-R 601 luma); what lies outside of the picture is black. */
export function grayPiece(rgb: Raster, box: Box): Raster {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const data = new Uint8ClampedArray(width * height);
  const firstColumn = Math.max(0, box.left);
  const endColumn = Math.min(rgb.width, box.right);
  for (let y = Math.max(0, box.top); y < Math.min(rgb.height, box.bottom); y += 1) {
    for (let x = firstColumn; x < endColumn; x += 1) {
      const from = (y * rgb.width + x) * 3;
      const luma =
        rgb.data[from] * 19595 + rgb.data[from + 1] * 38470 + rgb.data[from + 2] * 7471;
      data[(y - box.top) * width + x - box.left] = (luma + 0x8000) >> 16;
    }
  }
  return { width, height, channels: 1, data };
}

/** Resample with antialiasing, as `Image.resize` does; `box` is the part that is kept. */
export function resize(
  image: Raster,
  width: number,
  height: number,
  filter: Filter,
  box: Box = { left: 0, top: 0, right: image.width, bottom: image.height },
): Raster {
  const columns = coefficients(image.width, box.left, box.right, width, filter);
  const rows = coefficients(image.height, box.top, box.bottom, height, filter);
  const firstRow = rows.starts[0];
  const endRow = rows.starts[height - 1] + rows.counts[height - 1];
  const narrow = resizeRows(image, width, firstRow, endRow, columns);
  return resizeColumns(narrow, height, firstRow, rows);
}

interface Coefficients {
  starts: Int32Array;
  counts: Int32Array;
  size: number;
  values: Int32Array;
}

function coefficients(
  length: number,
  start: number,
  end: number,
  newLength: number,
  filter: Filter,
): Coefficients {
  const first = Math.fround(start); // Pillow keeps boxes in single precision
  const scale = Math.fround(Math.fround(end) - first) / newLength;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const size = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(newLength);
  const counts = new Int32Array(newLength);
  const values = new Int32Array(newLength * size);
  const weights = new Float64Array(size);
  for (let place = 0; place < newLength; place += 1) {
    const center = first + (place + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - support + 0.5));
    const to = Math.min(length, Math.trunc(center + support + 0.5));
    let sum = 0;
    for (let x = from; x < to; x += 1) {
      weights[x - from] = filter.weight((x - center + 0.5) * (1 / filterScale));
      sum += weights[x - from];
    }
    for (let x = 0; x < to - from; x += 1) {
      const share = sum === 0 ? weights[x] : weights[x] / sum;
      values[place * size + x] = Math.trunc(share * 2 ** precisionBits + (share < 0 ? -0.5 : 0.5));
    }
    starts[place] = from;
    counts[place] = to - from;
  }
  return { starts, counts, size, values };
}

function resizeRows(
  image: Raster,
  width: number,
  firstRow: number,
  endRow: number,
  { starts, counts, size, values }: Coefficients,
): Raster {
  const { channels, data } = image;
  const result = new Uint8ClampedArray(width * (endRow - firstRow) * channels);
  let to = 0;
  for (let y = firstRow; y < endRow; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const start = (y * image.width + starts[x]) * channels;
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = 1 << (precisionBits - 1);
        let from = start + channel;
        for (let k = x * size; k < x * size + counts[x]; k += 1) {
          sum = (sum + Math.imul(data[from], values[k])) | 0;
          from += channels;
        }
        result[to] = sum >> precisionBits;
        to += 1;
      }
    }
  }
  return { width, height: endRow - firstRow, channels, data: result };
}

function resizeColumns(
  image: Raster,
  height: number,
  firstRow: number,
  { starts, counts, size, values }: Coefficients,
): Raster {
  const { data } = image;
  const stride = image.width * image.channels;
  const result = new Uint8ClampedArray(stride * height);
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y += 1) {
    sums.fill(1 << (precisionBits - 1));
    for (let k = 0; k < counts[y]; k += 1) {
      const value = values[y * size + k];
      const from = (starts[y] + k - firstRow) * stride;
      for (let x = 0; x < stride; x += 1) sums[x] += Math.imul(data[from + x], value);
    }
    for (let x = 0; x < stride; x += 1) result[y * stride + x] = sums[x] >> precisionBits;
  }
  return { width: image.width, height, channels: image.channels, data: result };
}

/**
 * Turn a gray picture about its centre, counter-clockwise, as `Image.rotate` does (bicubic).
 *
 * Only the part in `kept` is computed; the rest stays black.
 */
export function rotate(image: Raster, degrees: number, kept: Box): Raster {
  const turn = ((degrees % 360) + 360) % 360;
  if (turn === 0) return image;
  const { width, height } = image;
  const angle = (-turn * Math.PI) / 180;
  const cos = Number(Math.cos(angle).toFixed(15));
  const sin = Number(Math.sin(angle).toFixed(15));
  const shiftX = cos * (-width / 2) + sin * (-height / 2) + width / 2;
  const shiftY = -sin * (-width / 2) + cos * (-height / 2) + height / 2;
  const result = new Uint8ClampedArray(width * height);
  const firstColumn = Math.max(0, kept.left);
  const endColumn = Math.min(width, kept.right);
  for (let y = Math.max(0, kept.top); y < Math.min(height, kept.bottom); y += 1) {
    for (let x = firstColumn; x < endColumn; x += 1) {
      const fromX = cos * (x + 0.5) + sin * (y + 0.5) + shiftX;
      const fromY = -sin * (x + 0.5) + cos * (y + 0.5) + shiftY;
      if (fromX >= 0 && fromX < width && fromY >= 0 && fromY < height) {
        result[y * width + x] = bicubicAt(image, fromX - 0.5, fromY - 0.5);
      }
    }
  }
  return { width, height, channels: 1, data: result };
}

function bicubicAt({ width, height, data }: Raster, x: number, y: number): number {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const x0 = Math.max(0, left - 1);
  const x1 = Math.max(0, left);
  const x2 = Math.min(width - 1, left + 1);
  const x3 = Math.min(width - 1, left + 2);
  const y0 = Math.max(0, top - 1) * width;
  const y1 = Math.max(0, top) * width;
  const y2 = Math.min(height - 1, top + 1) * width;
  const y3 = Math.min(height - 1, top + 2) * width;
  const d = x - left;
  const value = cubic(
    cubic(data[y0 + x0], data[y0 + x1], data[y0 + x2], data[y0 + x3], d),
    cubic(data[y1 + x0], data[y1 + x1], data[y1 + x2], data[y1 + x3], d),
    cubic(data[y2 + x0], data[y2 + x1], data[y2 + x2], data[y2 + x3], d),
    cubic(data[y3 + x0], data[y3 + x1], data[y3 + x2], data[y3 + x3], d),
    y - top,
  );
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

/** The cubic convolution of Keys (1981) with a = -1, which Pillow turns with. */
function cubic(v1: number, v2: number, v3: number, v4: number, d: number): number {
  const p2 = -v1 + v3;
  const p3 = 2 * (v1 - v2) + v3 - v4;
  const p4 = -v1 + v2 - v3 + v4;
  return v2 + d * (p2 + d * (p3 + d * p4));
}
