// The words of each way a phone can be without a camera, and the way out of each.

import { t } from "./lib/i18n.js";
import { deviceKind, permissionSteps } from "./lib/phone-device.js";

const copyLink = () => ["copy-link", t("Copy the link")];

const STEPS = {
  safari: () => [
    t("Tap the “Page Settings” sign at the left of the address bar."),
    t("Open “Website Settings” and choose “Allow” for camera and microphone."),
    t("Come back to this page."),
  ],
  android: () => [
    t("Tap the sign at the left of the address bar, then “Permissions”."),
    t("Allow camera and microphone."),
    t("If it still does not work: phone Settings, Apps, this browser, Permissions."),
  ],
  "app-ios": () => [
    t("Open the phone's Settings and find this app in the list."),
    t("Turn on Camera and Microphone."),
    t("Come back and open the link again."),
  ],
  "app-android": () => [
    t("Open the phone's Settings, Apps, and find this app."),
    t("Under Permissions allow camera and microphone."),
    t("Come back and open the link again."),
  ],
  desktop: () => [
    t("Click the camera sign in the address bar."),
    t("Allow camera and microphone for this page."),
  ],
};

const PROBLEMS = {
  insecure: () => ({
    title: t("This address cannot use the camera"),
    body: [t("A phone gives its camera only to an address that begins with https. Please ask the office for the right link.")],
    link: true,
    actions: [copyLink()],
  }),
  no_api: (userAgent) =>
    deviceKind(userAgent).app === "browser"
      ? {
          title: t("This browser cannot send video"),
          body: [t("Please open the same link in another browser, for example the one that came with the phone.")],
          link: true,
          actions: [copyLink(), ["reload", t("Load the page again")]],
        }
      : {
          title: t("Please open this page in the browser"),
          body: [t("The page inside this app cannot use the camera.")],
          picture: true,
          steps: [t("Tap ··· in the top right corner."), t("Choose “Open in browser”.")],
          link: true,
          actions: [copyLink(), ["reload", t("Load the page again")]],
        },
  denied: (userAgent) => ({
    title: t("The camera is not allowed yet"),
    body: [t("This is how to allow it:")],
    steps: STEPS[permissionSteps(userAgent)](),
    actions: [["open-camera", t("I have allowed it, try again")], ["reload", t("Load the page again")]],
  }),
  busy: () => ({
    title: t("The camera is in use elsewhere"),
    body: [t("Please close these, then try again:")],
    steps: [t("Video calls and voice calls"), t("The camera app and other apps that film"), t("Other open pages of this inspection")],
    actions: [["open-camera", t("Try again")], ["other-camera", t("Try the other camera")]],
  }),
  none: () => ({
    title: t("No camera was found"),
    body: [t("Please open this link on a phone with a camera.")],
    link: true,
    actions: [["open-camera", t("Try again")], copyLink()],
  }),
  unknown: () => ({
    title: t("The camera does not open"),
    body: [t("Please try again. If it stays so, restart the phone or open the link on another phone.")],
    link: true,
    actions: [["open-camera", t("Try again")], copyLink()],
  }),
};

/** {title, body: [text], steps?: [text], picture?, link?, actions: [[name, label]]} for a problem's code. */
export function cameraProblem(code, userAgent) {
  return (PROBLEMS[code] ?? PROBLEMS.unknown)(userAgent);
}
