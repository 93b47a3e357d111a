// Pages of the office: desk, cases, inspections, administration.
import "./elements/copy-text.js";
import "./elements/fresh-fragment.js";
import "./elements/submit-once.js";
