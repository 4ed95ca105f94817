//! Drops a file on a window as a file manager does: the source's half of the XDND protocol, version 5.

use std::path::Path;

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    ClientMessageEvent, ConnectionExt, CreateWindowAux, EventMask, PropMode, SELECTION_NOTIFY_EVENT,
    SelectionNotifyEvent, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;
use x11rb::{COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME};

/// Drops `file` on the window of that number; returns when the window has said that it is done.
pub fn drop_file(display: &str, window: u32, file: &Path) {
    let (conn, screen) = x11rb::connect(Some(display)).unwrap();
    let root = conn.setup().roots[screen].root;
    let source = conn.generate_id().unwrap();
    conn.create_window(
        COPY_DEPTH_FROM_PARENT,
        source,
        root,
        0,
        0,
        1,
        1,
        0,
        WindowClass::INPUT_OUTPUT,
        COPY_FROM_PARENT,
        &CreateWindowAux::new(),
    )
    .unwrap();
    let atom = |name: &str| conn.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    let [enter, position, dropped, status, finished] =
        ["XdndEnter", "XdndPosition", "XdndDrop", "XdndStatus", "XdndFinished"].map(atom);
    let [selection, list, copy] = ["XdndSelection", "text/uri-list", "XdndActionCopy"].map(atom);
    conn.set_selection_owner(source, selection, CURRENT_TIME).unwrap();
    let send = |kind, data: [u32; 5]| {
        let message = ClientMessageEvent::new(32, window, kind, data);
        conn.send_event(false, window, EventMask::NO_EVENT, message).unwrap();
        conn.flush().unwrap();
    };
    send(enter, [source, 5 << 24, list, 0, 0]);
    // Into the middle of the lane.
    send(position, [source, 0, (800 << 16) | 420, CURRENT_TIME, copy]);
    let (mut told, mut accepted) = (false, false);
    loop {
        match conn.wait_for_event().unwrap() {
            Event::SelectionRequest(request) => {
                let text = format!("file://{}\r\n", file.display());
                let (to, property) = (request.requestor, request.property);
                conn.change_property8(PropMode::REPLACE, to, property, request.target, text.as_bytes()).unwrap();
                let notice = SelectionNotifyEvent {
                    response_type: SELECTION_NOTIFY_EVENT,
                    sequence: 0,
                    time: request.time,
                    requestor: to,
                    selection,
                    target: request.target,
                    property,
                };
                conn.send_event(false, to, EventMask::NO_EVENT, notice).unwrap();
                conn.flush().unwrap();
                told = true;
            }
            Event::ClientMessage(message) if message.type_ == status => {
                accepted = message.data.as_data32()[1] & 1 == 1;
                assert!(accepted, "the window does not take files");
            }
            Event::ClientMessage(message) if message.type_ == finished => return,
            _ => continue,
        }
        if told && accepted {
            send(dropped, [source, 0, CURRENT_TIME, 0, 0]);
            (told, accepted) = (false, false);
        }
    }
}
