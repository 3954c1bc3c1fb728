/* The page's behaviour: map, swipe, tables, cards, sections. Data stand in #data; nothing is fetched. */
(function () {
  "use strict";
  document.documentElement.classList.add("js");
  const data = JSON.parse(document.getElementById("data").textContent);
  const words = data.words;
  const $ = (id) => document.getElementById(id);
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const siteLayers = new Map();
  let map = null;

  // ---- map ------------------------------------------------------------------------------------------
  function drawMap(m) {
    const bounds = L.latLngBounds(m.extent);
    map = L.map("map", {
      crs: L.CRS.Simple, minZoom: -6, maxZoom: 6, zoomSnap: 0.25, zoomDelta: 0.5, wheelPxPerZoomLevel: 120,
      attributionControl: false, maxBounds: bounds.pad(0.6), keyboard: true
    });
    map.fitBounds(m.lease.length ? L.polygon(m.lease).getBounds().pad(0.25) : bounds);
    L.control.scale({ imperial: false, maxWidth: 160 }).addTo(map);
    ["left", "right", "change", "ground", "outline"].forEach(function (name, k) {
      map.createPane(name).style.zIndex = 210 + 10 * k;
    });
    ["left", "right", "change"].forEach(function (name) { map.getPane(name).style.pointerEvents = "none"; });
    const layers = {};
    const pictures = {};
    m.pictures.forEach(function (p) {
      if (p.name === "change") {
        layers.change = L.imageOverlay(p.src, p.bounds, { pane: "change", opacity: 0.85, alt: p.title });
      } else {
        pictures[p.name + "-" + p.epoch] = p;
      }
    });
    grounds(pictures);

    layers.lease = L.polygon(m.lease, { pane: "outline", color: "#000", weight: 3, fill: false, interactive: false });
    layers.zones = L.layerGroup(m.zones.filter((z) => z.zone !== "lease").map((z) =>
      L.polygon(z.rings, { pane: "outline", color: z.colour, weight: 2, dashArray: "7 5", fill: false, interactive: false })));
    layers.polygons = L.layerGroup(m.polygons.map((p) =>
      L.polygon(p.rings, { pane: "ground", color: "#444", weight: 1.5, dashArray: "2 4", fillOpacity: 0.12 }).bindTooltip(text(p.title))));
    layers.dismissed = L.layerGroup(m.dismissed.map((p) =>
      L.polygon(p.rings, { pane: "ground", color: "#767676", weight: 1.5, dashArray: "1 4", fillOpacity: 0.1 }).bindTooltip(text(p.title))));
    layers.contours = L.layerGroup(m.contours.map((c) =>
      L.polyline(c.p, { pane: "ground", color: "#8a5a2b", weight: c.is_index ? 1.6 : 0.7, interactive: c.is_index })
        .bindTooltip(text(c.level_m + " m"), { sticky: true })));
    layers.benches = L.layerGroup(m.benches.map(function (b) {
      const parts = [b.height_m + " m", b.face_angle_deg === null ? null : b.face_angle_deg + "°"].filter(Boolean);
      return L.polyline(b.p, { pane: "ground", color: "#111", weight: 1.5, dashArray: b.kind === "toe" ? "4 4" : null })
        .bindTooltip(text(parts.join(", ")), { sticky: true });
    }));
    layers.sections = L.layerGroup(m.sections.map(function (s) {
      const line = L.polyline(s.p, { pane: "outline", color: "#d55e00", weight: 2, dashArray: "8 4 2 4" });
      line.on("click", function () { chooseSection(data.sections.findIndex((v) => v.name === s.section), true); });
      line.bindTooltip(text(s.section), { permanent: s.kind === "regular", direction: "center", className: "section-name" });
      return line;
    }));
    layers.sites = L.layerGroup(m.sites.map(function (s) {
      const shape = L.polygon(s.rings, { pane: "outline", color: s.colour, weight: 2.5, fillOpacity: 0.08,
        dashArray: s.kind === "backfill" ? "5 4" : null });
      shape.bindTooltip(text(s.title), { sticky: true });
      shape.on("click", function () { chooseSite(s.id, false); });
      shape.on("add", function () {
        const path = shape.getElement();
        if (!path) { return; }
        path.setAttribute("tabindex", "0");
        path.setAttribute("role", "button");
        path.setAttribute("aria-label", s.title);
        path.onkeydown = function (e) {
          if (e.key === "Enter" || e.key === " ") { e.preventDefault(); chooseSite(s.id, false); }
        };
      });
      siteLayers.set(s.id, shape);
      return shape;
    }));
    layers.pillars = L.layerGroup(m.pillars.map((p) =>
      L.marker(p.p, { icon: L.divIcon({ className: "pillar", iconSize: [10, 10] }), keyboard: false, alt: p.name })
        .bindTooltip(text(p.title))));

    all("#overlays label").forEach(function (label) {
      const layer = layers[label.dataset.layer];
      const empty = !layer || (layer.getLayers && layer.getLayers().length === 0) ||
        (label.dataset.layer === "lease" && !m.lease.length);
      if (empty) { label.hidden = true; label.style.display = "none"; return; }
      const box = label.querySelector("input");
      const set = function () { if (box.checked) { layer.addTo(map); } else { layer.remove(); } };
      box.addEventListener("change", set);
      set();
    });
    layers.lease.bringToFront();
    map.on("mousemove", function (e) {
      $("place").textContent = words.position
        .replace("{east}", (e.latlng.lng + m.origin[0]).toFixed(1)).replace("{north}", (e.latlng.lat + m.origin[1]).toFixed(1));
    });
    // Paper has its own size: the map is laid out for it, all of it, and put back afterwards.
    let view = null;
    window.addEventListener("beforeprint", function () {
      view = [map.getCenter(), map.getZoom()];
      const box = $("map").style;
      box.width = "17.4cm"; box.height = "12cm"; box.minHeight = "0";
      map.invalidateSize({ animate: false, pan: false });
      map.fitBounds(m.lease.length ? L.polygon(m.lease).getBounds().pad(0.25) : bounds, { animate: false });
    });
    window.addEventListener("afterprint", function () {
      const box = $("map").style;
      box.width = ""; box.height = ""; box.minHeight = "";
      map.invalidateSize({ animate: false, pan: false });
      if (view) { map.setView(view[0], view[1], { animate: false }); }
    });
  }

  /* Text for tooltips: Leaflet takes HTML, and names come from files of strangers. */
  function text(value) {
    const node = document.createElement("span");
    node.textContent = value;
    return node;
  }

  function grounds(pictures) {
    const holder = $("grounds");
    const options = [];
    ["ortho", "hillshade"].forEach(function (name) {
      const pair = [pictures[name + "-before"], pictures[name + "-after"]];
      pair.forEach(function (p) { if (p) { options.push({ title: p.title, left: p, right: null }); } });
      if (pair[0] && pair[1]) { options.push({ title: pair[0].title + " | " + pair[1].title, left: pair[0], right: pair[1], swipe: true }); }
    });
    let shown = [];
    const show = function (option) {
      shown.forEach((layer) => layer.remove());
      shown = [[option.left, "left"], [option.right, "right"]].filter((x) => x[0]).map((x) =>
        L.imageOverlay(x[0].src, x[0].bounds, { pane: x[1], alt: x[0].title }).addTo(map));
      if ($("swipe")) { $("swipe").hidden = !option.swipe; }
      clip();
    };
    options.forEach(function (option, k) {
      const label = document.createElement("label");
      const input = document.createElement("input");
      input.type = "radio"; input.name = "ground"; input.value = String(k);
      label.append(input, " " + option.title);
      input.addEventListener("change", function () { show(option); });
      holder.append(label);
    });
    if (!options.length) { holder.hidden = true; return; }
    // The latest picture of the ground first: an orthomosaic if there is one.
    const first = options.findIndex((o) => !o.swipe && o.left === (pictures["ortho-after"] || pictures["hillshade-after"]));
    all("input", holder)[Math.max(first, 0)].checked = true;
    if ($("swipe")) {
      const slider = $("swipe").querySelector("input");
      slider.addEventListener("input", clip);
      map.on("move zoom resize viewreset zoomend moveend", clip);
    }
    show(options[Math.max(first, 0)]);
  }

  function clip() {
    const swipe = $("swipe");
    const panes = [map.getPane("left"), map.getPane("right")];
    if (!swipe || swipe.hidden) { panes.forEach((p) => { p.style.clipPath = ""; }); return; }
    const part = swipe.querySelector("input").value / 1000;
    const size = map.getSize();
    const nw = map.containerPointToLayerPoint([0, 0]);
    const se = map.containerPointToLayerPoint(size);
    // The thumb's centre does not reach the ends of the slider; the line follows the thumb.
    const thumb = 38;
    const at = thumb / 2 + part * (size.x - thumb);
    const x = nw.x + at;
    swipe.querySelector(".swipe-line").style.left = at + "px";
    const box = (x0, x1) => "polygon(" + [[x0, nw.y], [x1, nw.y], [x1, se.y], [x0, se.y]].map((p) => p[0] + "px " + p[1] + "px").join(",") + ")";
    panes[0].style.clipPath = box(nw.x, x);
    panes[1].style.clipPath = box(x, se.x);
  }

  // ---- sites ----------------------------------------------------------------------------------------
  function chooseSite(id, move) {
    const row = all("#site-table tbody tr").find((r) => r.dataset.id === id);
    all("#site-table tr.chosen").forEach((r) => { r.classList.remove("chosen"); r.removeAttribute("aria-current"); });
    if (row) { row.classList.add("chosen"); row.setAttribute("aria-current", "true"); }
    siteLayers.forEach(function (layer, key) { layer.setStyle({ weight: key === id ? 5 : 2.5 }); });
    if (map && siteLayers.has(id)) {
      map.flyToBounds(siteLayers.get(id).getBounds().pad(0.8), { duration: move ? 0.6 : 0, animate: !matchMedia("(prefers-reduced-motion: reduce)").matches });
    }
    const holder = $("card");
    const card = all("#cards .card").find((c) => c.dataset.site === id);
    if (!holder || !card) { return; }
    const copy = card.cloneNode(true);
    copy.removeAttribute("id");
    const close = document.createElement("button");
    close.type = "button"; close.className = "link"; close.textContent = words.close;
    close.addEventListener("click", function () { holder.replaceChildren(); });
    copy.querySelector("h3").append(" ", close);
    const k = data.sections.findIndex((s) => s.site === id);
    if (k >= 0) {
      const drawing = document.createElement("div");
      drawing.className = "section-view";
      drawing.innerHTML = unique(data.sections[k].svg, "card-");
      copy.append(drawing);
      chooseSection(k, false);
    }
    holder.replaceChildren(copy);
    if (move) { $("map-part").scrollIntoView({ block: "start" }); }
  }

  /* The same drawing may stand twice on the page: its clip paths need their own names. */
  function unique(svg, prefix) {
    return svg.replace(/ id="/g, ' id="' + prefix).replace(/url\(#/g, "url(#" + prefix);
  }

  function filterSites() {
    const table = $("site-table");
    if (!table) { return; }
    const wanted = $("filter").value.trim().toLowerCase();
    const kind = $("filter-kind").value, zone = $("filter-zone").value;
    let shown = 0;
    const rows = all("tbody tr", table);
    rows.forEach(function (row) {
      const fits = (!wanted || row.textContent.toLowerCase().includes(wanted)) &&
        (!kind || row.dataset.kind === kind) && (!zone || row.dataset.zone === zone);
      row.hidden = !fits;
      if (fits) { shown += 1; }
      const layer = siteLayers.get(row.dataset.id);
      if (layer && layer.getElement()) { layer.getElement().style.display = fits ? "" : "none"; }
    });
    $("shown").textContent = shown ? words.shown.replace("{shown}", shown).replace("{all}", rows.length) : words.no_sites;
  }

  // ---- tables ---------------------------------------------------------------------------------------
  function sortable(table) {
    const heads = all("thead th", table);
    heads.forEach(function (head, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", function () {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = function (row) {
          const cell = row.cells[column];
          const raw = cell.dataset.sort !== undefined ? cell.dataset.sort : cell.textContent.trim();
          const number = raw === "-inf" || raw === "nan" ? -Infinity : Number(raw);
          return raw !== "" && !Number.isNaN(number) ? number : raw;
        };
        const body = table.tBodies[0];
        const rows = all("tr", body).map((row, k) => ({ row: row, k: k, v: value(row) }));
        rows.sort(function (a, b) {
          const order = typeof a.v === "number" && typeof b.v === "number" ? a.v - b.v : String(a.v).localeCompare(String(b.v));
          return (up ? order : -order) || a.k - b.k;
        });
        body.append(...rows.map((r) => r.row));
      });
    });
  }

  // ---- sections -------------------------------------------------------------------------------------
  function chooseSection(k, scroll) {
    const view = $("section-view");
    if (!view || k < 0 || k >= data.sections.length) { return; }
    const section = data.sections[k];
    $("section-choice").value = String(k);
    view.innerHTML = section.svg;
    const svg = view.querySelector("svg");
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cursor.setAttribute("stroke", "#e69f00"); cursor.setAttribute("stroke-width", "0.4"); cursor.setAttribute("y1", "6");
    cursor.setAttribute("y2", String(svg.viewBox.baseVal.height - 13)); cursor.setAttribute("visibility", "hidden");
    svg.append(cursor);
    const state = { d: null };
    const read = function (d) {
      state.d = Math.min(Math.max(d, 0), section.length_m);
      const frame = section.frame;
      const x = frame[0] + state.d / section.length_m * (frame[1] - frame[0]);
      cursor.setAttribute("x1", x); cursor.setAttribute("x2", x); cursor.setAttribute("visibility", "visible");
      const parts = [words.distance + " " + state.d.toFixed(1) + " m"];
      const heights = section.traces.map((t) => heightAt(t.stretches, state.d));
      section.traces.forEach((t, n) => parts.push(t.label + ": " + (heights[n] === null ? "–" : heights[n].toFixed(2) + " m")));
      if (heights.length === 2 && heights[0] !== null && heights[1] !== null) {
        const rise = heights[1] - heights[0];
        parts.push(words.difference + ": " + (rise < 0 ? "−" : "+") + Math.abs(rise).toFixed(2) + " m");
      }
      $("section-readout").textContent = parts.join(" · ");
    };
    svg.addEventListener("pointermove", function (e) {
      const box = svg.getBoundingClientRect();
      const frame = section.frame;
      const x = (e.clientX - box.left) / box.width * frame[2];
      read((x - frame[0]) / (frame[1] - frame[0]) * section.length_m);
    });
    view.onkeydown = function (e) {
      const step = section.length_m / (e.shiftKey ? 10 : 100);
      if (e.key === "ArrowRight" || e.key === "ArrowLeft") {
        e.preventDefault();
        read((state.d === null ? 0 : state.d) + (e.key === "ArrowRight" ? step : -step));
      }
    };
    $("section-readout").textContent = "";
    if (scroll) { $("sections").scrollIntoView({ block: "start" }); }
  }

  function heightAt(stretches, d) {
    for (const line of stretches) {
      if (d < line[0][0] || d > line[line.length - 1][0]) { continue; }
      for (let k = 1; k < line.length; k += 1) {
        if (d <= line[k][0]) {
          const a = line[k - 1], b = line[k];
          return b[0] === a[0] ? b[1] : a[1] + (b[1] - a[1]) * (d - a[0]) / (b[0] - a[0]);
        }
      }
    }
    return null;
  }

  // Paper has no way to unfold what is folded.
  window.addEventListener("beforeprint", function () {
    all("details.unfold:not([open])").forEach(function (d) { d.open = true; d.dataset.unfolded = ""; });
  });
  window.addEventListener("afterprint", function () {
    all("details[data-unfolded]").forEach(function (d) { d.open = false; delete d.dataset.unfolded; });
  });

  // ---- start ----------------------------------------------------------------------------------------
  if (data.map && data.map.extent) { drawMap(data.map); }
  all("table[data-sortable]").forEach(sortable);
  all("#site-table tbody tr").forEach(function (row) {
    row.addEventListener("click", function () { chooseSite(row.dataset.id, true); });
  });
  ["filter", "filter-kind", "filter-zone"].forEach(function (id) {
    if ($(id)) { $(id).addEventListener("input", filterSites); }
  });
  filterSites();
  if ($("section-choice")) {
    const choice = $("section-choice");
    choice.addEventListener("change", function () { chooseSection(Number(choice.value), false); });
    $("section-prev").addEventListener("click", function () { chooseSection(Math.max(0, Number(choice.value) - 1), false); });
    $("section-next").addEventListener("click", function () { chooseSection(Math.min(data.sections.length - 1, Number(choice.value) + 1), false); });
    chooseSection(Number(choice.value), false);
  }
  document.documentElement.dataset.ready = "true";
})();
