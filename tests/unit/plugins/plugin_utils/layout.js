// Copyright (c) stt.engine contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong with the layout of the page, as a list of sentences; empty when nothing is.
(() => {
  const wrong = [];
  const short = (text) => text.trim().replace(/\s+/g, " ").slice(0, 60);
  const name = (element) =>
    `<${element.tagName.toLowerCase()}${element.id ? "#" + element.id : ""}> "${short(element.textContent)}"`;
  const width = document.documentElement.clientWidth;
  const scrolls = (element) => element.closest(".scroll") !== null;

  if (document.documentElement.scrollWidth > width) {
    wrong.push(`the page is ${document.documentElement.scrollWidth} px wide, the window ${width}`);
  }
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || scrolls(element) || element.closest("title, desc")) continue;
    if (box.left < -0.5 || box.right > width + 0.5) {
      wrong.push(`${name(element)} reaches from ${box.left} to ${box.right} of ${width}`);
    }
    if (element instanceof HTMLElement && element.clientWidth > 0
        && element.scrollWidth > element.clientWidth + 1) {
      wrong.push(`${name(element)} holds ${element.scrollWidth} px in ${element.clientWidth}`);
    }
  }

  // Every line of text as the boxes that it takes.
  const lines = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest("title, desc, style")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width > 1 && box.height > 1) lines.push({ parent, text: node.data, box });
    }
  }
  // Letters do not fill their line: what touches by less than this share of it is readable.
  const touching = 0.3;
  lines.sort((one, other) => one.box.top - other.box.top);
  lines.forEach((one, index) => {
    for (const other of lines.slice(index + 1)) {
      if (other.box.top >= one.box.bottom) break;
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - other.box.top;
      if (across > 1 && down > touching * Math.min(one.box.height, other.box.height)) {
        wrong.push(`"${short(one.text)}" and "${short(other.text)}" overlap by ${across} x ${down}`);
      }
    }
  });

  // Contrast as WCAG 2 defines it; the ground is the nearest one that is painted.
  const rgb = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return { channels: [red, green, blue], alpha };
  };
  const light = ({ channels }) => {
    const [red, green, blue] = channels.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.alpha === 1) return colour;
    }
    return rgb("rgb(255, 255, 255)");
  };
  for (const { parent, text } of lines) {
    const style = getComputedStyle(parent);
    const ink = light(rgb(parent instanceof SVGElement ? style.fill : style.color));
    const behind = light(ground(parent));
    const contrast = (Math.max(ink, behind) + 0.05) / (Math.min(ink, behind) + 0.05);
    if (contrast < 4.5) wrong.push(`"${short(text)}" has a contrast of ${contrast.toFixed(2)}`);
  }
  return [...new Set(wrong)];
})()
