// Starts the page: connects each view with its address and opens the stream.

import { startChaos } from "./chaos.js";
import { startCharts } from "./charts.js";
import { consumersView } from "./consumers.js";
import { explainedView } from "./explained.js";
import { failuresView } from "./failures.js";
import { jobsView, startJobs } from "./jobs.js";
import { start } from "./live.js";
import { startPipeline } from "./pipeline.js";
import { pipelineView, startBadge } from "./recent.js";
import { startRouter } from "./router.js";
import { schedulesView, startSchedules } from "./schedules.js";
import { startSubmit } from "./submit.js";
import { storyView } from "./story.js";
import { startTheory } from "./theory.js";
import { startTour } from "./tour.js";

startBadge();
startPipeline();
startSubmit();
startCharts();
startTheory();
startChaos();
startJobs();
startSchedules();
startRouter({
  "": pipelineView,
  jobs: jobsView,
  story: storyView,
  failures: failuresView,
  schedules: schedulesView,
  consumers: consumersView,
  explained: explainedView,
});
start();
startTour();
