import { type TObject, Type } from "@sinclair/typebox";
import { LARGEST_PACKET } from "../../capture/pcapng.ts";
import { ALL_ENDPOINTS, endpointBits } from "../../capture/recorder.ts";
import type { CaptureSubject } from "../capture/capture-subject.ts";
import type { ApiLimits } from "./api-limits.ts";
import { CaptureStreams } from "./capture-stream.ts";
import { CapturePath, CaptureQuery } from "./documents/capture.ts";
import { answers, ErrorBody, Nothing } from "./documents/document.ts";
import { Refusal } from "./refusal.ts";
import type { Routes } from "./routes.ts";

interface CaptureRoute<P extends TObject> {
  readonly path: string;
  readonly tag: "host" | "agent";
  readonly operationId: string;
  readonly params: P;
  /** Throws a Refusal if there is no such device. */
  readonly find: (params: P["static"]) => CaptureSubject;
}

/** The recording of a device, as long as the client stays. */
export function addCaptureRoute<P extends TObject>(
  routes: Routes,
  { path, tag, operationId, params, find }: CaptureRoute<P>,
  limits: ApiLimits,
): void {
  const streams = new CaptureStreams(limits);
  routes.get(
    path,
    {
      schema: {
        tags: [tag],
        operationId,
        summary: "Record a device",
        description:
          "pcapng with the packets of Linux usbmon, from now until the client goes, the device does, or the recording is ended " +
          "by the id in the header usbferry-capture, which loses nothing that was recorded until then. No transfer waits for it: " +
          "what the client does not take in time is lost, and an Interface Statistics Block tells how much.",
        params,
        querystring: CaptureQuery,
        response: {
          200: {
            description: "The recording.",
            content: { "application/x-pcapng": { schema: Type.String({ format: "binary" }) } },
          },
          "4xx": ErrorBody,
          "5xx": ErrorBody,
        },
      },
    },
    (request, reply) => {
      const subject = find(request.params as P["static"]);
      const { snaplen, endpoint } = request.query;
      streams.admit();
      reply.hijack();
      streams.open(reply.raw, subject, {
        snaplen: Number(snaplen ?? LARGEST_PACKET),
        endpoints: endpointsOf(endpoint),
      });
    },
  );
  routes.delete(
    `${path}/:id`,
    {
      schema: {
        tags: [tag],
        operationId: `${operationId}End`,
        summary: "End a recording of a device",
        params: Type.Composite([params, CapturePath], { additionalProperties: false }),
        response: answers(Nothing, "Its client gets the rest."),
      },
    },
    (request) => {
      const { id } = request.params as typeof CapturePath.static;
      if (streams.end(id)) return {};
      throw new Refusal(
        "NOT_FOUND",
        `there is no recording ${id}: it has ended, with its client or its device.`,
      );
    },
  );
}

/** Addresses with commas between them, as the schema has them. */
function endpointsOf(list: string | undefined): number {
  if (list === undefined) return ALL_ENDPOINTS;
  return list.split(",").reduce((bits, address) => bits | endpointBits(Number.parseInt(address, 16)), 0);
}
