import { writeFileSync } from "node:fs";
import { DOCUMENT_PATH, wholeDocument } from "./whole-document.ts";

/** `npm run openapi`: writes docs/openapi.json from the schemas. */
writeFileSync(DOCUMENT_PATH, await wholeDocument());
