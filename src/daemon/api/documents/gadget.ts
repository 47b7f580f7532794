import { Type } from "@sinclair/typebox";
import { BusId, document, plain } from "./document.ts";

export const Plugged = document("Plugged", {
  busid: BusId,
  note: Type.Optional(Type.String({ description: "what a person has to know to use it" })),
});

export const GadgetKinds = document("GadgetKinds", {
  kinds: Type.Array(
    plain({
      name: Type.String({ examples: ["zero"] }),
      summary: Type.String(),
      options: Type.Array(
        plain({
          name: Type.String({ examples: ["speed"] }),
          values: Type.String({
            description: "what may stand behind its =, for a person; empty for an option that stands alone",
          }),
          description: Type.String(),
        }),
      ),
    }),
  ),
});

export const Typed = document("Typed", {
  busid: BusId,
  keys: Type.Integer({ minimum: 0, description: "that the guest will read, one after the other" }),
});

export const Images = document("Images", {
  folder: Type.String({ examples: ["/home/user"] }),
  parent: Type.Optional(Type.String({ description: "the folder above" })),
  folders: Type.Array(Type.String(), { description: "names of the folders in it" }),
  images: Type.Array(
    plain({ name: Type.String({ examples: ["stick.img"] }), size: Type.Integer({ minimum: 0 }) }),
    { description: "files that a disk can have: whole blocks of 512 bytes, and no comma in the name" },
  ),
  more: Type.Boolean({ description: "there are more than are named" }),
});

export const PlugRequest = document("PlugRequest", {
  gadget: Type.String({ minLength: 1, maxLength: 4096, examples: ["zero,speed=super"] }),
});

export const TypeRequest = document("TypeRequest", {
  text: Type.String({
    minLength: 1,
    maxLength: 8192,
    description: "of the US keyboard layout: ASCII, tab and newline",
    examples: ["hello\n"],
  }),
});

export const BusIdPath = plain({ busid: Type.String({ minLength: 1, maxLength: 64, examples: ["zero"] }) });

export const ImagesQuery = plain({
  folder: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4096,
      pattern: "^/",
      description: "that of the user whom the host runs as, if it is left out",
      examples: ["/"],
    }),
  ),
});
