import { throughBar } from "./ring-way.ts";
import { ringScenarios } from "./ringed-guest.ts";
import { sharedBar } from "./scenarios/shared-bar.ts";
import { usbtest } from "./scenarios/usbtest.ts";

ringScenarios("6.1", (bar) => [sharedBar(bar), usbtest("super", 2, throughBar(bar))]);
