import { Type } from "@sinclair/typebox";
import { plain } from "./document.ts";

export const CapturePath = plain({ id: Type.String({ pattern: "^c[0-9]{1,9}$", examples: ["c1"] }) });

const ENDPOINT = "[08]?[0-9a-f]";

export const CaptureQuery = plain({
  endpoint: Type.Optional(
    Type.String({
      pattern: `^${ENDPOINT}(,${ENDPOINT})*$`,
      maxLength: 200,
      description:
        "only these endpoint addresses in hexadecimal, with the direction in bit 7; 0 is the control endpoint in both directions",
      examples: ["0,81,2"],
    }),
  ),
  snaplen: Type.Optional(
    Type.String({
      pattern: "^[1-9][0-9]{1,5}$",
      description:
        "bytes of each packet that are kept, of which its header takes 64; 262144 at most and by default",
      examples: ["128"],
    }),
  ),
});
