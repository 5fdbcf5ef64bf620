"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // Colours.
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  // Unfolding: by the button, by a link to a block, and for print.
  const unfold = byId("unfold");
  const setAll = (open) => all("details").forEach((d) => { d.open = open; });
  unfold.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-pressed") !== "true";
    setAll(open);
    unfold.setAttribute("aria-pressed", String(open));
    unfold.textContent = open ? "Fold everything" : "Unfold everything";
  });
  let before = null;
  addEventListener("beforeprint", () => { before = all("details").map((d) => d.open); setAll(true); });
  addEventListener("afterprint", () => { if (before) all("details").forEach((d, i) => { d.open = before[i]; }); });
  const reveal = () => {
    const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let d = target.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
    target.scrollIntoView({ block: "start" });
    (target.querySelector("summary") || target).focus({ preventScroll: true });
  };
  addEventListener("hashchange", reveal);
  all('a[href^="#block-"]').forEach((a) => a.addEventListener("click", () => setTimeout(reveal)));
  reveal();

  // Tables that sort.
  const value = (cell) => (cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value));
  const compare = (a, b) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    if (typeof a === "string") return a.localeCompare(b, undefined, { numeric: true });
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return a - b;
  };
  all("table.sortable").forEach((table) => {
    const heads = all("thead th", table);
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = all("tbody tr", table).map((row) => [value(row.cells[column]), row]);
      rows.sort(([a], [b]) => (Number.isNaN(a) || Number.isNaN(b) || !down ? compare(a, b) : compare(b, a)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    }));
  });

  // One row at a time.
  const holder = byId("explorer-data");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const pick = byId("explorer-row"), part = byId("explorer-response"), chart = byId("explorer-chart");
  const said = byId("explorer-said"), inputs = byId("explorer-inputs"), parts = byId("explorer-parts");
  const make = (name, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, entry] of Object.entries(attributes)) node.setAttribute(key, entry);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const short = (number) => (Number.isFinite(number) ? Number(number.toPrecision(4)).toString() : "–");
  const ticks = (low, high, count) => {
    const raw = (high - low) / count, size = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= raw) || raw;
    const found = [];
    for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-9; t += step) found.push(Math.abs(t) < step / 1e6 ? 0 : t);
    return found;
  };
  let W = 620;
  const H = 430, LEFT = 58, RIGHT = 12, PANES = [[26, 190], [226, 388]];
  const clipped = (text, room) => (text.length > room ? `${text.slice(0, room - 1)}…` : text);
  const clear = (node) => node.replaceChildren();
  const scale = (low, high, from, to) => (v) => from + ((v - low) / (high - low || 1)) * (to - from);
  const frame = (pane, x, low, high, label, bottom) => {
    const y = scale(low, high, pane[1], pane[0]);
    chart.append(make("path", { class: "axis", d: `M${LEFT} ${pane[0]}V${pane[1]}H${W - RIGHT}` }));
    chart.append(make("text", { x: LEFT + 4, y: pane[0] - 8 }, label));
    ticks(low, high, 4).forEach((t) => chart.append(make("text", { x: LEFT - 6, y: y(t) + 4, "text-anchor": "end" }, short(t))));
    if (bottom) bottom.forEach((t) => chart.append(make("text", { x: x(t), y: pane[1] + 18, "text-anchor": "middle" }, short(t))));
    return y;
  };
  let cursor = null, current = null;

  const drawNumber = (predicted, r) => {
    const y = predicted.y[r], u = predicted.utility[r], p = predicted.density[r];
    const x = scale(predicted.low, predicted.high, LEFT, W - RIGHT), bottom = ticks(predicted.low, predicted.high, W > 450 ? 6 : 4);
    const seenU = u.filter((_, i) => y[i] >= predicted.low && y[i] <= predicted.high);
    const up = frame(PANES[0], x, Math.min(...seenU), 0, "utility, best = 0", null);
    const down = frame(PANES[1], x, 0, Math.max(...p) * 1.05, "density", bottom);
    const path = (values, f) => "M" + y.map((v, i) => `${x(v).toFixed(1)} ${f(values[i]).toFixed(1)}`).join("L");
    chart.append(make("path", { class: "line", d: path(u, up) }));
    chart.append(make("path", { class: "area", d: `${path(p, down)}L${x(y[y.length - 1])} ${PANES[1][1]}L${x(y[0])} ${PANES[1][1]}Z` }));
    chart.append(make("path", { class: "line", d: path(p, down) }));
    const seen = x(predicted.observed[r]);
    chart.append(make("path", { class: "seen", d: `M${seen} ${PANES[0][0]}V${PANES[0][1]}M${seen} ${PANES[1][0]}V${PANES[1][1]}` }));
    chart.append(make("text", { x: (W + LEFT) / 2, y: H - 6, "text-anchor": "middle" }, predicted.name));
    cursor = make("path", { class: "cross", d: "" });
    chart.append(cursor);
    current = { n: y.length, place: (i) => x(y[i]), find: (px) => {
      let best = 0;
      y.forEach((v, i) => { if (Math.abs(x(v) - px) < Math.abs(x(y[best]) - px)) best = i; });
      return best;
    }, say: (i) => `${predicted.name} = ${short(y[i])}: utility ${short(u[i])} below the best, density ${short(p[i])}`, at: u.indexOf(0) };
    said.textContent = `Observed ${short(predicted.observed[r])} (dashed); mean ${short(predicted.mean[r])}; 90 % interval ${short(predicted.interval[r][0])} to ${short(predicted.interval[r][1])}.`;
  };

  const drawClasses = (predicted, r) => {
    const u = predicted.utility[r], p = predicted.density[r], k = predicted.classes.length;
    const x = scale(0, k, LEFT, W - RIGHT), width = (W - RIGHT - LEFT) / k;
    const up = frame(PANES[0], x, Math.min(...u, -1e-9), 0, "utility, best = 0", null);
    const down = frame(PANES[1], x, 0, 1, "probability", null);
    predicted.classes.forEach((name, i) => {
      const left = x(i) + width * 0.15;
      const hit = i === predicted.observed[r];
      const bar = (top, bottom) => chart.append(make("rect", { class: "bar", x: left, y: top, width: width * 0.7, height: Math.max(bottom - top, 0) }));
      bar(up(0), up(u[i])); bar(down(p[i]), PANES[1][1]);
      if (hit) chart.append(make("rect", { class: "seen", x: left, y: PANES[1][0], width: width * 0.7, height: PANES[1][1] - PANES[1][0] }));
      const room = Math.max(2, Math.floor(width / 7));
      chart.append(make("text", { x: x(i + 0.5), y: PANES[1][1] + 18, "text-anchor": "middle" }, clipped(name, room)));
    });
    chart.append(make("text", { x: (W + LEFT) / 2, y: H - 6, "text-anchor": "middle" }, predicted.name));
    cursor = make("path", { class: "cross", d: "" });
    chart.append(cursor);
    current = { n: k, place: (i) => x(i + 0.5), find: (px) => Math.max(0, Math.min(k - 1, Math.floor((px - LEFT) / width))),
      say: (i) => `${predicted.classes[i]}: probability ${short(p[i])}, utility ${short(u[i])} below the best`, at: p.indexOf(Math.max(...p)) };
    said.textContent = `Observed ${predicted.classes[predicted.observed[r]]}, outlined; most likely ${predicted.classes[current.at]}.`;
  };

  const drawParts = (r) => {
    if (!parts) return;
    clear(parts);
    const shares = data.contributions, values = shares.values[r], line = 24, height = 26 + line * values.length;
    parts.setAttribute("viewBox", `0 0 ${W} ${height}`);
    const wide = Math.min(280, W * 0.44), room = Math.floor(wide / 7);
    const low = Math.min(0, ...values), high = Math.max(0, ...values), x = scale(low, high, wide + 10, W - 62);
    parts.append(make("text", { x: 4, y: 14 }, "What adds up to the utility"));
    values.forEach((v, i) => {
      const top = 24 + i * line;
      parts.append(make("text", { x: wide, y: top + 14, "text-anchor": "end" }, clipped(shares.names[i], room)));
      parts.append(make("rect", { class: shares.kinds[i], x: Math.min(x(0), x(v)), y: top + 2, width: Math.abs(x(v) - x(0)), height: line - 8 }));
      parts.append(make("text", { x: Math.max(x(0), x(v)) + 5, y: top + 14 }, short(v)));
    });
    parts.setAttribute("aria-label", "Contributions: " + values.map((v, i) => `${shares.names[i]} ${short(v)}`).join(", "));
  };

  const show = () => {
    const r = pick.selectedIndex, predicted = data.distributions[part ? part.selectedIndex : 0];
    W = Math.max(300, Math.min(620, chart.clientWidth || 620));
    chart.setAttribute("viewBox", `0 0 ${W} ${H}`);
    clear(chart);
    (predicted.classes ? drawClasses : drawNumber)(predicted, r);
    chart.setAttribute("aria-label", `Utility and ${predicted.classes ? "probability" : "density"} of ${predicted.name}. Arrow keys move along it. ${said.textContent}`);
    clear(inputs);
    data.columns.forEach((name, j) => {
      const row = inputs.insertRow(), head = document.createElement("th"), cell = row.insertCell();
      head.scope = "row"; head.textContent = name; row.prepend(head); cell.textContent = data.values[r][j];
    });
    drawParts(r);
  };
  const point = (i) => {
    current.at = Math.max(0, Math.min(current.n - 1, i));
    const px = current.place(current.at);
    cursor.setAttribute("d", `M${px} ${PANES[0][0]}V${PANES[0][1]}M${px} ${PANES[1][0]}V${PANES[1][1]}`);
    said.textContent = current.say(current.at);
  };
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    point(current.find(((event.clientX - box.left) / box.width) * W));
  });
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    point(current.at + step);
  });
  pick.addEventListener("change", show);
  if (part) part.addEventListener("change", show);
  const move = (by) => { pick.selectedIndex = (pick.selectedIndex + by + pick.options.length) % pick.options.length; show(); };
  byId("explorer-back").addEventListener("click", () => move(-1));
  byId("explorer-on").addEventListener("click", () => move(1));
  let width = 0;
  new ResizeObserver(() => { if (chart.clientWidth !== width) { width = chart.clientWidth; show(); } }).observe(chart);
  show();
})();
