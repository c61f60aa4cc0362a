"""Google's Lyria by proxy: RealTime, which streams, and the models that make whole songs."""
