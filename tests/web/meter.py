"""Measures what a page sounds like, and what it is sent, without the page's help."""

#: To be run before the page's own scripts: whatever leads to the speakers also leads to a meter.
METER = """
window.meters = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    const meter = new AnalyserNode(this.context, { fftSize: 4096 });
    connect.call(this, meter);
    window.meters.push(meter);
  }
  return connect.call(this, target, ...rest);
};
"""
#: To be run before the page's own scripts: keeps the latest file of sound that was fetched.
RECORDER = """
const fetched = window.fetch;
window.fetch = async (...request) => {
  const response = await fetched(...request);
  if (/[/]audio$/.test(request[0])) window.recorded = response.clone().arrayBuffer();
  return response;
};
"""
#: The clocks of all contexts, in seconds.
CLOCKS = "() => [...new Set(window.meters.map((meter) => meter.context))].map((c) => c.currentTime)"
#: The loudest sample of the latest moment, 0 to 1.
LOUDNESS = """() => Math.max(0, ...window.meters.map((meter) => {
  const samples = new Float32Array(meter.fftSize);
  meter.getFloatTimeDomainData(samples);
  return samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0);
}))"""
