// Bayes' rule in counts: of a thousand cases, which are flagged, and how many of those rightly?
// Mirrors the posterior of the probability chapter: P(A | flag) = P(flag | A) P(A) / P(flag). data: the names of things.
labutils.define("bayes", {
  controls: [
    { name: "base", label: "Base rate", min: 0.1, max: 90, log: true, value: 2, format: (v) => `${v} %` },
    { name: "caught", label: "Of these, flagged", min: 0, max: 100, value: 95, format: (v) => `${v} %` },
    { name: "alarm", label: "Of the others, flagged", min: 0.05, max: 100, log: true, value: 5, format: (v) => `${v} %` },
  ],
  compute({ base, caught, alarm }) {
    const hit = (base / 100) * (caught / 100); // probabilities of the four cases, as shares of everything
    const miss = base / 100 - hit;
    const falseAlarm = (1 - base / 100) * (alarm / 100);
    const pass = 1 - hit - miss - falseAlarm;
    return { hit, miss, falseAlarm, pass, posterior: hit / (hit + falseAlarm) };
  },
  draw(pen, { hit, miss, falseAlarm, pass, posterior }, values) {
    const names = ["flagged rightly", "missed", "flagged wrongly", "passed rightly"];
    const looks = ["blue", "blue hollow", "orange", "grey"];
    const shares = [hit, miss, falseAlarm, pass];
    // Cases out of 1,000 so that they add up: the largest remainders are rounded up.
    const counts = shares.map((share) => Math.floor(1000 * share + 1e-9));
    const order = [0, 1, 2, 3].sort((a, b) => (1000 * shares[b] - counts[b]) - (1000 * shares[a] - counts[a]));
    for (let i = 0; counts[0] + counts[1] + counts[2] + counts[3] < 1000; i++) counts[order[i % 4]] += 1;
    const columns = pen.width < 480 ? 40 : 50, step = pen.width / columns, rows = 1000 / columns;
    let placed = 0;
    counts.forEach((count, kind) => {
      const side = kind === 3 ? step * 0.42 : step * 0.78, corner = (step - side) / 2;
      const places = Array.from({ length: count }, () => placed++);
      pen.squares(places.map((i) => [step * Math.floor(i / rows) + corner, step * (i % rows) + corner]), side, looks[kind]);
    });
    pen.height = 8 + pen.keys(1, rows * step + 20, counts.map((count, kind) => ["box", looks[kind], `${count} ${names[kind]}`]));
  },
  say({ hit, falseAlarm, posterior }) {
    const flagged = hit + falseAlarm;
    if (!flagged) return "Nothing is flagged, so a flag has no meaning.";
    return `Of 1,000 cases about ${(1000 * flagged).toFixed(0)} are flagged, ${(1000 * hit).toFixed(0)} of them rightly: ` +
      `a flag is right with probability ${(100 * posterior).toFixed(1)} %.`;
  },
});
