import "./elements/phone-upload.js";
import { restoreTextSize } from "./text-size.js";

restoreTextSize();
