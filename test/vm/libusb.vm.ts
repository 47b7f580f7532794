import { scenarios } from "./scenario.ts";
import { LIBUSB, LIBUSB_BOOT } from "./scenarios/libusb.ts";

scenarios("6.12", LIBUSB, LIBUSB_BOOT);
