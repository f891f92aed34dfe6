"""A RealSense of the library's own making: `software_device` in a real pipeline, fed by the test."""

import numpy as np
import pyrealsense2 as rs

WIDTH, HEIGHT, FPS = 64, 48, 30


class SoftCamera:
    """One colour sensor with an exposure option. `connect` is what the driver is given."""

    def __init__(self, serial="123", *, exposure=(1.0, 10000.0), first_shade=0):
        self.serial, self.is_plugged, self.connections = serial, True, 0
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.name, "Software camera")
        self.device.register_info(rs.camera_info.serial_number, serial)
        self.device.register_info(rs.camera_info.usb_type_descriptor, "3.2")
        self.sensor = self.device.add_sensor("RGB Camera")
        stream = rs.video_stream()
        stream.type, stream.index, stream.uid, stream.fmt = rs.stream.color, 0, 0, rs.format.rgb8
        stream.width, stream.height, stream.fps, stream.bpp = WIDTH, HEIGHT, FPS, 3
        lens = rs.intrinsics()
        lens.width, lens.height, lens.ppx, lens.ppy, lens.fx, lens.fy = WIDTH, HEIGHT, 31.5, 23.5, 60.0, 61.0
        lens.model, lens.coeffs = rs.distortion.brown_conrady, [0.1, 0.0, 0.0, 0.0, 0.0]
        stream.intrinsics = lens
        self.profile = self.sensor.add_video_stream(stream).as_video_stream_profile()
        limits = rs.option_range()
        limits.min, limits.max, limits.step, limits.default = *exposure, 1.0, exposure[0]
        self.sensor.add_option(rs.option.exposure, limits, True)
        self.number = 0

    def connect(self):
        from world4rl_core.errors import RobotError

        if not self.is_plugged:
            raise RobotError(f"no RealSense with serial {self.serial}; serials found: none")
        self.connections += 1
        pipeline = rs.pipeline()
        pipeline.set_device(self.device)
        return pipeline, rs.config()

    def push(self, time_s, *, number=None, shade=0, exposure=8000, domain=rs.timestamp_domain.system_time):
        """One frame in one shade of grey."""
        self.number = self.number + 1 if number is None else number
        frame = rs.software_video_frame()
        frame.stride, frame.bpp, frame.frame_number = WIDTH * 3, 3, self.number
        frame.timestamp, frame.domain, frame.profile = time_s * 1000.0, domain, self.profile
        frame.pixels = np.full((HEIGHT, WIDTH, 3), shade, np.uint8)
        self.sensor.set_metadata(rs.frame_metadata_value.actual_exposure, exposure)
        self.sensor.on_video_frame(frame)
