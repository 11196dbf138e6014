// The viewer in report.html: NiiVue with the copies of the images that the page carries, and lesion outlines over it.
// The page does without it: what it needs stays hidden until NiiVue has drawn.
const startViewer = async () => {
  "use strict";
  const { Niivue, NVImage, SLICE_TYPE, MULTIPLANAR_TYPE, SHOW_RENDER } = niivue;
  const find = (id) => document.getElementById(id);
  const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

  const OUTLINE_COLOUR = "#ff6a00";
  const AGREEMENT_COLOURS = [[0, 0, 0], [86, 180, 233], [240, 228, 66], [204, 121, 167]];
  const LEAST_SHOWN_PROBABILITY = 5;
  const OVERLAY_OPACITY = 0.55;
  const VIEWS = {
    planes: SLICE_TYPE.MULTIPLANAR,
    axial: SLICE_TYPE.AXIAL,
    coronal: SLICE_TYPE.CORONAL,
    sagittal: SLICE_TYPE.SAGITTAL,
  };
  // axes of a copy: 0 to the right, 1 to the front, 2 up
  const PLANES = new Map([
    [SLICE_TYPE.AXIAL, { across: 0, along: 1, depth: 2 }],
    [SLICE_TYPE.CORONAL, { across: 0, along: 2, depth: 1 }],
    [SLICE_TYPE.SAGITTAL, { across: 1, along: 2, depth: 0 }],
  ]);
  const STEPS = {
    ArrowLeft: [1, 0, 0],
    ArrowRight: [-1, 0, 0],
    ArrowUp: [0, 1, 0],
    ArrowDown: [0, -1, 0],
    PageUp: [0, 0, 1],
    PageDown: [0, 0, -1],
  };

  class ReportViewer extends Niivue {
    drawScene() {
      const told = super.drawScene();
      if (this.afterDrawing) this.afterDrawing();
      return told;
    }
    // NiiVue's own keys depend on where the mouse is
    keyDownListener(event) {
      const step = STEPS[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.moveCrosshairInVox(...step);
    }
    keyUpListener() {}
  }

  const canvas = find("viewer-canvas");
  const told = JSON.parse(find("viewer-data").textContent);
  const viewer = new ReportViewer({
    backColor: [0, 0, 0, 1],
    crosshairColor: [0.35, 0.85, 1, 1],
    crosshairGap: 8,
    crosshairWidth: 0.6,
    crosshairWidthUnit: "mm",
    dragAndDropEnabled: false,
    fontColor: [1, 1, 1, 1],
    isNearestInterpolation: true,
    isRadiologicalConvention: true,
    logLevel: "error",
    multiplanarLayout: MULTIPLANAR_TYPE.ROW,
    multiplanarPadPixels: 8,
    multiplanarShowRender: SHOW_RENDER.NEVER,
    scrollRequiresFocus: true,
    showAllOrientationMarkers: true,
    showLegend: false,
  });
  await viewer.attachToCanvas(canvas);

  const load = (name, base64, colormap, low, high, opacity) =>
    NVImage.loadFromBase64({ base64, name: `${name}.nii.gz`, colormap, cal_min: low, cal_max: high, opacity });
  const images = new Map();
  for (const { name, nifti, window } of told.images) images.set(name, await load(name, nifti, "gray", ...window, 1));
  const mask = await load("mask", told.mask, "gray", 0, 1, 1);
  const probability = await load(
    "probability", told.probability, "viridis", LEAST_SHOWN_PROBABILITY, 100, OVERLAY_OPACITY);
  const agreement = await load("agreement", told.agreement, "gray", 0, 3, OVERLAY_OPACITY);
  const channel = (index) => AGREEMENT_COLOURS.map((colour) => colour[index]);
  agreement.setColormapLabel({
    R: channel(0), G: channel(1), B: channel(2), A: [0, 255, 255, 255], I: [0, 1, 2, 3], labels: ["0", "1", "2", "3"],
  });
  const size = mask.hdr.dims.slice(1, 4);

  const showImages = () => {
    const image = images.get(chosen("viewer-image"));
    find("window-low").value = image.cal_min;
    find("window-high").value = image.cal_max;
    viewer.volumes = [];
    viewer.addVolume(image);
    if (find("show-probability").checked) viewer.addVolume(probability);
    if (find("show-agreement").checked) viewer.addVolume(agreement);
  };
  const setWindow = () => {
    const image = images.get(chosen("viewer-image"));
    image.cal_min = Math.min(Number(find("window-low").value), 254);
    image.cal_max = Math.max(Number(find("window-high").value), image.cal_min + 1);
    viewer.updateGLVolume();
  };

  // voxels are addressed as they are stored, which is as they are shown
  const offset = (x, y, z) => x + size[0] * (y + size[1] * z);
  const voxelAtCross = () =>
    [0, 1, 2].map((axis) =>
      Math.min(size[axis] - 1, Math.max(0, Math.floor(viewer.scene.crosshairPos[axis] * size[axis]))));

  const outlines = new Map();
  const traceOutline = ({ across, along, depth }, index) => {
    const key = `${depth} ${index}`;
    if (outlines.has(key)) return outlines.get(key);
    const place = [0, 0, 0];
    place[depth] = index;
    const isLesion = (u, v) => {
      if (u < 0 || v < 0 || u >= size[across] || v >= size[along]) return false;
      place[across] = u;
      place[along] = v;
      return mask.img[offset(...place)] > 0;
    };
    const edges = [];
    for (let v = 0; v <= size[along]; v += 1) {
      for (let u = 0; u <= size[across]; u += 1) {
        const here = isLesion(u, v);
        if (here !== isLesion(u - 1, v)) edges.push([u, v, u, v + 1]);
        if (here !== isLesion(u, v - 1)) edges.push([u, v, u + 1, v]);
      }
    }
    outlines.set(key, edges);
    return edges;
  };
  const outlineCanvas = find("viewer-outlines");
  const drawOutlines = () => {
    outlineCanvas.width = canvas.width;
    outlineCanvas.height = canvas.height;
    if (!find("show-outline").checked || viewer.volumes.length === 0) return;
    const pen = outlineCanvas.getContext("2d");
    pen.strokeStyle = OUTLINE_COLOUR;
    pen.lineWidth = 1.5 * (window.devicePixelRatio || 1);
    pen.lineCap = "square";
    for (const tile of viewer.screenSlices) {
      const plane = PLANES.get(tile.axCorSag);
      if (!plane) continue;
      const toCanvas = (u, v) => {
        const share = [...viewer.scene.crosshairPos];
        share[plane.across] = u;
        share[plane.along] = v;
        return viewer.frac2canvasPosWithTile(share, tile.axCorSag).pos;
      };
      // the way from voxels to the canvas is affine: three points tell it
      const corner = toCanvas(0.25, 0.25);
      const [right, up] = [toCanvas(0.75, 0.25), toCanvas(0.25, 0.75)];
      const point = (u, v) => [0, 1].map((axis) =>
        corner[axis] +
        (u / size[plane.across] - 0.25) * 2 * (right[axis] - corner[axis]) +
        (v / size[plane.along] - 0.25) * 2 * (up[axis] - corner[axis]));
      pen.beginPath();
      for (const [u0, v0, u1, v1] of traceOutline(plane, voxelAtCross()[plane.depth])) {
        pen.moveTo(...point(u0, v0));
        pen.lineTo(...point(u1, v1));
      }
      pen.stroke();
    }
  };
  viewer.afterDrawing = drawOutlines;

  const lesionRows = [...document.querySelectorAll("tr[data-lps]")];
  let goneTo = null;
  const describePlace = () => {
    const [x, y, z] = viewer.frac2mm(viewer.scene.crosshairPos, 0, true);
    const side = (value, positive, negative) => `${Math.abs(value).toFixed(1)} ${value >= 0 ? positive : negative}`;
    const voxel = voxelAtCross();
    const at = offset(...voxel);
    const slice = told.slices[voxel[2]];
    find("viewer-place").textContent =
      `Cross at ${side(-x, "L", "R")}, ${side(-y, "P", "A")}, ${side(z, "S", "I")} mm, ` +
      `slice ${told.axis} ${slice}: probability ${(probability.img[at] / 100).toFixed(2)}, ` +
      `${agreement.img[at]} of ${told.members} members say lesion.`;
    find("viewer-slice").value = voxel[2];
    find("viewer-slice").setAttribute("aria-valuetext", `${told.axis} ${slice}`);
    find("viewer-slice-name").textContent = `${told.axis} ${slice}`;
    for (const row of lesionRows) row.classList.toggle("shown", row === goneTo);
    goneTo = null;
  };
  viewer.onLocationChange = describePlace;
  const moveTo = (share) => {
    viewer.scene.crosshairPos = share;
    viewer.createOnLocationChange();
    viewer.drawScene();
  };

  for (const input of document.querySelectorAll('input[name="viewer-image"], #show-probability, #show-agreement')) {
    input.addEventListener("change", showImages);
  }
  for (const input of document.querySelectorAll('input[name="viewer-view"]')) {
    input.addEventListener("change", () => viewer.setSliceType(VIEWS[chosen("viewer-view")]));
  }
  find("show-outline").addEventListener("change", () => viewer.drawScene());
  find("show-smooth").addEventListener("change", (event) => viewer.setInterpolation(!event.target.checked));
  find("window-low").addEventListener("input", setWindow);
  find("window-high").addEventListener("input", setWindow);
  find("viewer-slice").max = size[2] - 1;
  find("viewer-slice").addEventListener("input", (event) => {
    const share = [...viewer.scene.crosshairPos];
    share[2] = (Number(event.target.value) + 0.5) / size[2];
    moveTo(share);
  });

  // the number of a lesion becomes a button, for the keyboard; the mouse may take the whole row
  const goTo = (row) => {
    const [left, back, up] = row.dataset.lps.split(" ").map(Number);
    goneTo = row;
    moveTo(viewer.mm2frac([-left, -back, up], 0, true));
  };
  for (const row of lesionRows) {
    const number = row.querySelector("th");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = number.textContent;
    button.setAttribute("aria-label", `${number.textContent}: show this lesion in the viewer`);
    number.textContent = "";
    number.append(button);
    row.classList.add("link");
    row.addEventListener("click", () => {
      goTo(row);
      find("viewer").scrollIntoView({ block: "nearest" });
    });
  }
  if (lesionRows.length > 0) find("lesions-hint").hidden = false;

  showImages();
  if (lesionRows.length > 0) goTo(lesionRows[0]);
  else moveTo([0.5, 0.5, 0.5]);
};

(() => {
  const show = (isShown) => {
    document.getElementById("viewer").hidden = !isShown;
    document.getElementById("viewer-missing").hidden = isShown;
  };
  if (!document.createElement("canvas").getContext("webgl2")) return;
  // NiiVue measures its canvas, which therefore has to be seen
  show(true);
  startViewer().catch((error) => {
    show(false);
    throw error;
  });
})();
