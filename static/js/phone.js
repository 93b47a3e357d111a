import "./elements/phone-inspection.js";
import { restoreTextSize } from "./text-size.js";

restoreTextSize();
