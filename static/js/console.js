import { pageData } from "./dom.js";
import "./elements/inspection-console.js";
import { ConsoleSession } from "./lib/console-session.js";
import { OwnMedia } from "./lib/own-media.js";

const { inspection, join, can } = pageData();
const csrf = document.querySelector('meta[name="csrf-token"]')?.content;
const session = new ConsoleSession({ inspection, join, csrf });
const desk = document.querySelector("inspection-console");
desk.open({ session, own: new OwnMedia(), inspection, can: new Set(can), staff: join.url !== undefined });
