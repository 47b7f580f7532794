import { scenarios } from "./scenario.ts";
import { attachedRecording } from "./scenarios/attached-recording.ts";
import { recordings } from "./scenarios/recordings.ts";

scenarios("6.12", [recordings, attachedRecording], { modules: ["vhci-hcd"] });
