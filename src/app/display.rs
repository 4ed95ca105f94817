//! Whether this machine can show a window, asked before any graphics library would panic.

/// What a window under X11 needs at run time: library, and the Debian package that has it.
#[cfg(target_os = "linux")]
const LIBRARIES: [(&str, &str); 7] = [
    ("libX11.so.6", "libx11-6"),
    ("libX11-xcb.so.1", "libx11-xcb1"),
    ("libXcursor.so.1", "libxcursor1"),
    ("libXi.so.6", "libxi6"),
    ("libXrandr.so.2", "libxrandr2"),
    ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
    ("libGL.so.1", "libgl1"),
];

/// Why no window can be shown, and what to install or set; `None` where nothing speaks against it.
#[cfg(target_os = "linux")]
pub fn cannot_show() -> Option<String> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    if set("WAYLAND_DISPLAY") || set("WAYLAND_SOCKET") {
        return None;
    }
    if !set("DISPLAY") {
        return Some(
            "There is no display here, so the window cannot be shown (neither DISPLAY nor WAYLAND_DISPLAY is set).\n\
             On a desktop, start objsync from a terminal there; over ssh, use `ssh -X`; without any display, try `xvfb-run objsync`."
                .to_owned(),
        );
    }
    // Where the loader's cache cannot be read, nothing is known to be missing.
    let listing = ["ldconfig", "/sbin/ldconfig"].iter().find_map(|ldconfig| {
        std::process::Command::new(ldconfig).arg("-p").output().ok().filter(|o| o.status.success())
    })?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let missing: Vec<_> = LIBRARIES.iter().filter(|(library, _)| !listing.contains(library)).collect();
    if missing.is_empty() || !listing.contains("libc.so") {
        return None;
    }
    let libraries: Vec<_> = missing.iter().map(|(library, _)| *library).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    Some(format!(
        "The window cannot be shown: this machine lacks {}.\nOn Debian or Ubuntu install it with: apt-get install {}",
        libraries.join(", "),
        packages.join(" ")
    ))
}

/// Other systems bring what a window needs.
#[cfg(not(target_os = "linux"))]
pub fn cannot_show() -> Option<String> {
    None
}
