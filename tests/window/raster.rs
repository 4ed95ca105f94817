//! Paints what egui would have a graphics card paint: textured triangles, blended in order. No display, no GL, and the same
//! pixels on every machine, so pictures can be compared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use eframe::egui::epaint::{ImageData, Mesh, Primitive, Vertex};
use eframe::egui::{Color32, ColorImage, Context, FullOutput, Rect, TextureId, TexturesDelta};
use egui_kittest::TestRenderer;

/// The textures that the window has made so far.
#[derive(Clone, Default)]
pub struct Textures(Arc<Mutex<HashMap<TextureId, ColorImage>>>);

impl TestRenderer for Textures {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        let mut known = self.0.lock().unwrap();
        for (id, changes) in delta.set.drain() {
            for change in changes {
                let ImageData::Color(image) = change.image;
                let Some([left, top]) = change.pos else {
                    known.insert(id, (*image).clone());
                    continue;
                };
                let whole = known.get_mut(&id).expect("a part of a texture that was not made");
                for y in 0..image.size[1] {
                    let from = y * image.size[0];
                    let to = (top + y) * whole.size[0] + left;
                    whole.pixels[to..to + image.size[0]].copy_from_slice(&image.pixels[from..from + image.size[0]]);
                }
            }
        }
        for id in delta.free.drain() {
            known.remove(&id);
        }
    }
}

/// What is on the screen.
pub fn picture(ctx: &Context, output: &FullOutput, textures: &Textures, size: [usize; 2]) -> ColorImage {
    let mut image = ColorImage::filled(size, Color32::BLACK);
    let textures = textures.0.lock().unwrap();
    for part in ctx.tessellate(output.shapes.clone(), 1.0) {
        let Primitive::Mesh(mesh) = part.primitive else { continue };
        if let Some(texture) = textures.get(&mesh.texture_id) {
            paint(&mut image, part.clip_rect, &mesh, texture);
        }
    }
    image
}

fn paint(image: &mut ColorImage, clip: Rect, mesh: &Mesh, texture: &ColorImage) {
    for corners in mesh.indices.chunks_exact(3) {
        triangle(image, clip, [0, 1, 2].map(|i| &mesh.vertices[corners[i] as usize]), texture);
    }
}

/// Twice the area to the left of the way from `a` to `b`, seen from a point.
fn side(a: &Vertex, b: &Vertex, x: f32, y: f32) -> f32 {
    (b.pos.x - a.pos.x) * (y - a.pos.y) - (b.pos.y - a.pos.y) * (x - a.pos.x)
}

fn triangle(image: &mut ColorImage, clip: Rect, mut v: [&Vertex; 3], texture: &ColorImage) {
    let mut area = side(v[0], v[1], v[2].pos.x, v[2].pos.y);
    if area == 0.0 {
        return;
    }
    if area < 0.0 {
        v.swap(1, 2);
        area = -area;
    }
    let [width, height] = image.size;
    let low = |of: fn(&Vertex) -> f32, edge: f32| v.map(of).into_iter().fold(f32::MAX, f32::min).max(edge.round());
    let high = |of: fn(&Vertex) -> f32, edge: f32| v.map(of).into_iter().fold(f32::MIN, f32::max).min(edge.round());
    let (left, right) = (low(|v| v.pos.x, clip.left()), high(|v| v.pos.x, clip.right()).min(width as f32));
    let (top, bottom) = (low(|v| v.pos.y, clip.top()), high(|v| v.pos.y, clip.bottom()).min(height as f32));
    let (first_x, first_y) = ((left - 0.5).ceil().max(0.0) as usize, (top - 0.5).ceil().max(0.0) as usize);
    // A pixel on the border of two triangles belongs to one of them.
    let edges = [(v[1], v[2]), (v[2], v[0]), (v[0], v[1])];
    let mine = edges.map(|(a, b)| {
        let (dx, dy) = (b.pos.x - a.pos.x, b.pos.y - a.pos.y);
        dy < 0.0 || (dy == 0.0 && dx > 0.0)
    });
    let flat = v[0].color == v[1].color && v[1].color == v[2].color && v[0].uv == v[1].uv && v[1].uv == v[2].uv;
    let ink = flat.then(|| tinted(texel(texture, v[0].uv.x, v[0].uv.y), v[0].color.to_array().map(f32::from)));
    for y in first_y..height {
        let at_y = y as f32 + 0.5;
        if at_y >= bottom {
            break;
        }
        for x in first_x..width {
            let at_x = x as f32 + 0.5;
            if at_x >= right {
                break;
            }
            let weights = edges.map(|(a, b)| side(a, b, at_x, at_y));
            if (0..3).any(|i| weights[i] < 0.0 || (weights[i] == 0.0 && !mine[i])) {
                continue;
            }
            let source = ink.unwrap_or_else(|| {
                let w = weights.map(|w| w / area);
                let mix = |of: &dyn Fn(&Vertex) -> f32| (0..3).map(|i| w[i] * of(v[i])).sum::<f32>();
                let color = [0, 1, 2, 3].map(|c| mix(&|v| f32::from(v.color.to_array()[c])));
                tinted(texel(texture, mix(&|v| v.uv.x), mix(&|v| v.uv.y)), color)
            });
            let under = &mut image.pixels[y * width + x];
            let rest = 1.0 - source[3] / 255.0;
            let below = under.to_array().map(f32::from);
            let sum = [0, 1, 2].map(|c| (source[c] + below[c] * rest).round().clamp(0.0, 255.0) as u8);
            *under = Color32::from_rgb(sum[0], sum[1], sum[2]);
        }
    }
}

fn tinted(texel: Color32, color: [f32; 4]) -> [f32; 4] {
    let texel = texel.to_array();
    [0, 1, 2, 3].map(|c| f32::from(texel[c]) * color[c] / 255.0)
}

fn texel(texture: &ColorImage, u: f32, v: f32) -> Color32 {
    let [width, height] = texture.size;
    let place = |at: f32, size: usize| ((at * size as f32) as usize).min(size - 1);
    texture.pixels[place(v, height) * width + place(u, width)]
}
