import { pageData } from "./dom.js";
import "./elements/inspection-replay.js";

document.querySelector("inspection-replay").open(pageData());
