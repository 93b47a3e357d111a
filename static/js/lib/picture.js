const BLACK_BELOW = 10;
const CONTRAST_BELOW = 6;

/**
 * Whether RGBA bytes show nothing: as dark as a covered lens and without structure. A dark storeroom still has some.
 */
export function isBlack(rgba) {
  let sum = 0;
  let brightest = 0;
  const pixels = rgba.length / 4;
  for (let i = 0; i < rgba.length; i += 4) {
    const luma = 0.2126 * rgba[i] + 0.7152 * rgba[i + 1] + 0.0722 * rgba[i + 2];
    sum += luma;
    if (luma > brightest) brightest = luma;
  }
  const mean = sum / pixels;
  return mean < BLACK_BELOW && brightest - mean < CONTRAST_BELOW;
}
