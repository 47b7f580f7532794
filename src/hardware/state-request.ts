import { Feature, Setup, StandardRequest } from "../usb/setup.ts";

/**
 * Control requests that change what the operating system knows of a device: sent as they are, they would leave its host
 * controller with another idea of the device than the device has.
 */
export const StateRequest = {
  none: 0,
  setConfiguration: 1,
  setInterface: 2,
  clearHalt: 3,
  /** Asks for what we make the sink believe: a device that was reset is unconfigured. */
  getConfiguration: 4,
  /** The address belongs to the host controller. */
  setAddress: 5,
} as const;
export type StateRequest = (typeof StateRequest)[keyof typeof StateRequest];

/** bmRequestType and bRequest, as one number. */
const SET_CONFIGURATION = 0x0000 | StandardRequest.SET_CONFIGURATION;
const SET_ADDRESS = 0x0000 | StandardRequest.SET_ADDRESS;
const SET_INTERFACE = 0x0100 | StandardRequest.SET_INTERFACE;
const CLEAR_ENDPOINT_FEATURE = 0x0200 | StandardRequest.CLEAR_FEATURE;
const GET_CONFIGURATION = 0x8000 | StandardRequest.GET_CONFIGURATION;

export function stateRequest(setup: Uint8Array): StateRequest {
  switch ((setup[0]! << 8) | setup[1]!) {
    case SET_CONFIGURATION:
      return StateRequest.setConfiguration;
    case SET_INTERFACE:
      return StateRequest.setInterface;
    case CLEAR_ENDPOINT_FEATURE:
      return Setup.wValue(setup, 0) === Feature.ENDPOINT_HALT ? StateRequest.clearHalt : StateRequest.none;
    case GET_CONFIGURATION:
      return StateRequest.getConfiguration;
    case SET_ADDRESS:
      return StateRequest.setAddress;
    default:
      return StateRequest.none;
  }
}
