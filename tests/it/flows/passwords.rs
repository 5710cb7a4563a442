//! Which passwords are taken, and which two are the same.

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::problems::problem;

/// Longer than what bcrypt takes into account of its input, 72 bytes.
const LONG: &str = "velvet-Harbour-39-tundra-maple-Orbit-77-cactus-violin-Snow-12-lantern-pepper-Quilt";

/// Registers somebody with `password`, who then is refused with each of `others`.
async fn only_this_password_opens(app: &TestApp, password: &str, others: &[&str]) {
    let email = app.new_email();
    let answer = app.register(&email, password).await;
    assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
    app.login(&email, password).await;
    for other in others {
        problem(app.try_login(&email, other).await, 401, "invalid_credentials").await;
    }
}

both_kinds!(a_weak_password_is_refused_with_the_reason, |app| async move {
    for (password, reason) in [
        ("kX9#vQ2", "at least 8 characters"),
        ("\u{1f600}\u{4e2d}\u{e9}\u{1f601}", "at least 8 characters"),
        ("password1", "most common passwords"),
        ("PassWord", "most common passwords"),
        ("12345678", "most common passwords"),
        ("aaaaaaaaaaaaaaaaaa", "too easy to guess"),
        ("abcdefghijkl", "too easy to guess"),
        ("wilhelmina.xanthopoulos", "too easy to guess"), // their own address
    ] {
        let answer = app.register("wilhelmina.xanthopoulos@example.com", password).await;
        let body = problem(answer, 422, "weak_password").await;
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(reason), "{password}: {detail}");
        assert!(!detail.contains(password), "a refusal repeats no password: {detail}");
    }
    assert_eq!(app.register("wilhelmina.xanthopoulos@example.com", PASSWORD).await.status(), 201);
});

both_kinds!(
    the_shortest_password_is_what_the_operator_says,
    |app| app.config("password.min_length = 15"),
    |app| async move {
        let refused = app.register(&app.new_email(), "kX9#vQ2&pLw5zT").await;
        let body = problem(refused, 422, "weak_password").await;
        assert!(body["detail"].as_str().unwrap().contains("at least 15 characters"));
        assert_eq!(app.register(&app.new_email(), "kX9#vQ2&pLw5zTe").await.status(), 201);
    }
);

both_kinds!(a_password_has_up_to_256_code_points_and_every_one_counts, |app| async move {
    let longest = format!("{PASSWORD}{}", "\u{1f511}".repeat(256 - PASSWORD.len()));
    assert_eq!(longest.chars().count(), 256);
    let other = format!("{}x", &longest[..longest.len() - '\u{1f511}'.len_utf8()]);
    only_this_password_opens(&app, &longest, &[&other, &other[..other.len() - 1]]).await;

    let too_long = format!("{longest}x");
    problem(app.register(&app.new_email(), &too_long).await, 422, "invalid_password").await;
    problem(app.register(&app.new_email(), "").await, 422, "invalid_password").await;
    // At login it is a wrong password like any other.
    problem(app.try_login(&app.new_email(), &too_long).await, 401, "invalid_credentials").await;
});

both_kinds!(passwords_that_begin_with_the_same_72_bytes_are_different, |app| async move {
    assert!(LONG.len() > 73);
    only_this_password_opens(&app, LONG, &[&LONG[..72], &format!("{}X", &LONG[..LONG.len() - 1])]).await;
});

both_kinds!(a_nul_in_a_password_ends_nothing, |app| async move {
    let others =
        ["velvet-Harbour\0tundra-40", "velvet-Harbour", "velvet-Harbour\0", "velvet-Harbourtundra-39"];
    only_this_password_opens(&app, "velvet-Harbour\0tundra-39", &others).await;
});

both_kinds!(sixty_four_characters_of_four_bytes_are_not_cut, |app| async move {
    let character = |index: u32| char::from_u32(0x1f400 + index * index * 37 % 240).unwrap();
    let password: String = (0..64).map(character).collect();
    assert_eq!(password.len(), 256);
    let mut other = password.clone();
    other.pop();
    only_this_password_opens(&app, &password, &[&other, &format!("{other}\u{1f511}")]).await;
});

both_kinds!(composed_and_decomposed_letters_are_one_password, |app| async move {
    let (composed, decomposed) = ("Am\u{e9}lie-tundra-39-Orbit", "Ame\u{301}lie-tundra-39-Orbit");
    for (registered, used) in [(composed, decomposed), (decomposed, composed)] {
        let email = app.new_email();
        assert_eq!(app.register(&email, registered).await.status(), 201);
        app.login(&email, used).await;
    }
});

both_kinds!(spaces_and_letter_case_belong_to_a_password, |app| async move {
    let password = format!(" {PASSWORD} ");
    only_this_password_opens(&app, &password, &[PASSWORD, &password.to_lowercase()]).await;
});
