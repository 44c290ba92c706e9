//! Prints what compiling and running the sample script costs, on a script thread and on another.

fn main() {
    let other = sandbox::measure(2_000);
    let script = sandbox::on_script_thread(|| sandbox::measure(20_000));
    println!("any thread: {other:?}\nscript thread: {script:?}");
}
